"""From what a user has to media."""
import os
from pathlib import Path

from .media import ArrayMedia, FolderMedia, Media
from .video_media import VideoMedia


def open_media(source: str | Path | dict, *, audio: str | None = None, fps: float | None = None) -> Media:
    """A video file, a folder of pictures, or ``dict(frames=, waveform=, sample_rate=, fps=)``.

    Args:
        source: the input.
        audio: sound file of a folder, or heard in place of a video's own sound.
        fps: pictures per second of a folder.
    """
    if isinstance(source, dict):
        return ArrayMedia(**source)
    if os.path.isdir(source):
        return FolderMedia(source, audio, fps or 1.)
    if fps is not None:
        raise ValueError(f'{source}: fps belongs to folders of pictures')
    return VideoMedia(source, audio)
