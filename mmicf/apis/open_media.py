"""From what a user has to media."""
import os
from collections.abc import Sequence
from pathlib import Path

from .media import ArrayMedia, FolderMedia, Media, MediaError
from .video_media import VideoMedia

ARRAY_KEYS = ('frames', 'waveform', 'sample_rate', 'fps', 'name')


def open_media(source: str | Path | dict, *, audio: str | None = None, fps: float | None = None) -> Media:
    """A video file, a folder of pictures, or ``dict(frames=, waveform=, sample_rate=, fps=, name=)``, where only frames must be.

    Args:
        source: the input.
        audio: sound file of a folder, or heard in place of a video's own sound.
        fps: pictures per second of a folder.

    Raises:
        MediaError: neither a path nor a dict, other keys in a dict, or what the input's own class raises.
        ValueError: ``audio`` or ``fps`` for an input that has no use for it, or an ``fps`` that is not positive.
    """
    if isinstance(source, dict):
        if 'frames' not in source or not set(source) <= set(ARRAY_KEYS):
            raise MediaError(f'{input_name(source)}: found the keys {sorted(map(str, source))}, '
                             f'expected frames, and others of {list(ARRAY_KEYS)}')
        if audio is not None or fps is not None:
            raise ValueError(f'{input_name(source)}: arrays bring their sound and fps with them, got audio={audio!r} and fps={fps}')
        return ArrayMedia(**source)
    _check_path(source)
    if os.path.isdir(source):
        if fps is not None and not fps > 0:
            raise ValueError(f'{source}: found {fps} pictures per second, expected more than 0')
        return FolderMedia(source, audio, 1. if fps is None else fps)
    if fps is not None:
        raise ValueError(f'{source}: fps belongs to folders of pictures')
    return VideoMedia(source, audio)


def input_name(source: str | Path | dict) -> str:
    """What the folder of an input's results is called: the name of an array or a folder, of a file without its ending.

    Raises:
        MediaError: neither a path nor a dict, or a name that is none for a folder within another: '', '.' or '..'.
    """
    if isinstance(source, dict):
        shown = f"the array's name {source.get('name', 'array')!r}"
        name = Path(str(source.get('name', 'array'))).name
    else:
        _check_path(source)
        path = Path(os.path.abspath(source))
        shown, name = path, path.name if path.is_dir() else path.stem
    if name in ('', '.', '..'):  # the stem of ...mp4 is '..'
        raise MediaError(f'{shown}: found {name!r} for the folder of the results, expected the name of a folder')
    return name


def _check_path(source: object) -> None:
    if not isinstance(source, str | os.PathLike):
        shape = f' of shape {tuple(source.shape)}' if hasattr(source, 'shape') else ''
        raise MediaError(f'found an input of type {type(source).__name__}{shape}, expected the path of a video or of a folder of '
                         f"pictures, or arrays as dict({'=, '.join(ARRAY_KEYS)}=)")


def check_names(sources: Sequence[str | Path | dict]) -> None:
    """Refuses inputs whose results would overwrite each other.

    Raises:
        ValueError: two inputs of one :func:`input_name`.
    """
    seen = {}
    for source in sources:
        name = input_name(source)
        shown = f'an array named {name}' if isinstance(source, dict) else source
        if name in seen:
            raise ValueError(f'{seen[name]} and {shown}: results of both would lie in the folder {name!r}; '
                             'rename one, or segment it into another folder')
        seen[name] = shown
