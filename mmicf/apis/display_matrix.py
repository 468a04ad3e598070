"""Pictures of a video the right way up: phones store them as the sensor lies, and how to turn them beside."""
import numpy as np

from .media import MediaError


def upright(frame, name: str) -> np.ndarray:
    """The picture of a decoded PyAV frame as a player shows it, turned and mirrored by the display matrix that came with it.

    Args:
        frame: ``av.VideoFrame``.
        name: of the file, for messages.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        MediaError: a picture that cannot be decoded, or that is turned by other than a multiple of 90 degrees.
    """
    try:
        picture = frame.to_ndarray(format='rgb24')
        matrix = frame.side_data.get('DISPLAYMATRIX')
        # (x, y) is shown at (a x + c y, b x + d y); `frame.rotation` alone would take a mirrored picture for one upside down.
        a, b, _, c, d = (1, 0, 0, 0, 1) if matrix is None else np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    except Exception as error:
        raise MediaError(f'{name}: the picture at {frame.time:.2f} s cannot be decoded ({error})') from error
    if (a or d) and (b or c):
        raise MediaError(f'{name}: found pictures turned by {frame.rotation} degrees (display matrix a={a}, b={b}, c={c}, d={d}), '
                         'expected a multiple of 90')
    if b or c:
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[::-1 if d < 0 else 1, ::-1 if a < 0 else 1])
