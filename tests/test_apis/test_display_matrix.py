"""Videos as phones write them: the pictures lie as the sensor does, the display matrix tells how to turn them."""
import struct

import av
import numpy as np
import pytest

from mmicf.apis.media import MediaError
from mmicf.apis.video_file import write_video
from mmicf.apis.video_media import VideoMedia

ONE = 1 << 16  # matrices are in 16.16 fixed point
LYING = (0, ONE, -ONE, 0)  # an upright phone's: shown turned by 90 degrees clockwise


def turn(path, a, b, c, d):
    """Writes a matrix into the header (tkhd) of an mp4's first track, as a camera does: (x, y) is shown at (ax + cy, bx + dy)."""
    content = path.read_bytes()
    plain, turned = (struct.pack('>9i', *v) for v in ((ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), (a, b, 0, c, d, 0, 0, 0, 1 << 30)))
    at = content.index(plain, content.index(b'tkhd'))
    path.write_bytes(content[:at] + turned + content[at + len(plain):])


def picture():
    """Upright, 32 x 48: each corner of another brightness, so that it tells how it was turned or mirrored."""
    tone = np.kron([[250, 180], [110, 40]], np.ones((16, 24)))
    return np.repeat(tone[..., None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize('matrix, stored', [
    ((ONE, 0, 0, ONE), lambda p: p),
    (LYING, lambda p: np.rot90(p, 1)),
    ((0, -ONE, ONE, 0), lambda p: np.rot90(p, -1)),
    ((-ONE, 0, 0, -ONE), lambda p: np.rot90(p, 2)),
    ((-ONE, 0, 0, ONE), lambda p: p[:, ::-1]),
    ((ONE, 0, 0, -ONE), lambda p: p[::-1]),
    ((0, ONE, ONE, 0), lambda p: p.swapaxes(0, 1)),
], ids=['plain', 'lying', 'lying the other way', 'upside down', 'mirrored', 'flipped', 'transposed'])
def test_pictures_are_read_as_they_are_shown(tmp_path, matrix, stored):
    path = tmp_path / 'phone.mp4'
    write_video(path, [stored(picture())] * 4, frame_rate=2)
    turn(path, *matrix)
    media = VideoMedia(path)
    shown = list(media.frames([0., 1.]))
    assert media.size == (32, 48)
    assert all(frame.shape == (32, 48, 3) and frame.flags.c_contiguous for frame in shown)
    assert all(np.abs(frame.astype(int) - picture()).mean() < 3 for frame in shown)


def test_another_angle_is_refused(tmp_path):
    path = tmp_path / 'phone.mp4'
    write_video(path, [picture()] * 4, frame_rate=2)
    half = round(ONE / 2**0.5)
    turn(path, half, -half, half, half)
    with av.open(str(path)) as file:
        assert next(file.decode(video=0)).rotation == 45
    with pytest.raises(MediaError, match=r'phone\.mp4: found pictures turned by 45 degrees .*expected a multiple of 90'):
        VideoMedia(path)
