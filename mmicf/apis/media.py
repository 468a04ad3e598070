"""Pictures and sound of a folder or of arrays, read forward in time."""
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mmicf.datasets.transforms.loading_frames import read_rgb
from mmicf.utils.audio_file import CONTAINERS, SoundFile, read_audio

PICTURES = ('.png', '.jpg', '.jpeg', '.bmp')


class MediaError(ValueError):
    """The input cannot be segmented; the message names it, what was found and what was expected."""


class Media(ABC):
    """One input of the inferencer.

    Attributes:
        name: for messages and outputs.
        duration: seconds of pictures.
        size: (H, W) of the pictures.
        sound_duration: seconds of sound; 0 without any.
        sample_rate: Hz of the sound.
    """

    name: str
    duration: float
    size: tuple[int, int]
    sound_duration: float
    sample_rate: int

    @abstractmethod
    def frames(self, times: Sequence[float]) -> Iterator[np.ndarray]:
        """The uint8 RGB picture (H, W, 3) in view at each time; times must not fall, from call to call too."""

    @abstractmethod
    def sound(self, start: float, end: float) -> np.ndarray:
        """float32 (C, L) of ``start`` to ``end`` seconds, shorter where the sound ends; ``start`` must not fall."""

    def close(self) -> None:  # noqa: B027 - what lies in memory has nothing to close
        """Closes the files that are read."""


class ArrayMedia(Media):
    """Pictures and sound in memory.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        waveform: float (L,) or (C, L) in [-1, 1], or None.
        sample_rate: Hz.
        fps: pictures per second.

    Raises:
        MediaError: another shape or type, no picture, or a rate that is not positive.
    """

    def __init__(self, frames: np.ndarray, waveform: np.ndarray | None = None, sample_rate: int = 16000, fps: float = 1.,
                 name: str = 'array') -> None:
        frames = np.asarray(frames)
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
            raise MediaError(f'{name}: found frames {frames.dtype} {frames.shape}, expected uint8 (T, H, W, 3)')
        waveform = np.zeros((1, 0), np.float32) if waveform is None else np.atleast_2d(np.asarray(waveform, np.float32))
        if waveform.ndim != 2 or not np.isfinite(waveform).all():
            raise MediaError(f'{name}: found a waveform of shape {waveform.shape}, expected finite (L,) or (C, L)')
        if not (fps > 0 and sample_rate > 0):
            raise MediaError(f'{name}: found {fps} pictures and {sample_rate} samples per second, expected more than 0')
        self.name, self._frames, self._waveform, self.sample_rate, self._fps = name, frames, waveform, sample_rate, fps
        self.duration, self.size = len(frames) / fps, frames.shape[1:3]
        self.sound_duration = waveform.shape[1] / sample_rate

    def frames(self, times: Sequence[float]) -> Iterator[np.ndarray]:
        for time in times:
            yield self._frames[min(int(time * self._fps + 1e-6), len(self._frames) - 1)]

    def sound(self, start: float, end: float) -> np.ndarray:
        return self._waveform[:, round(start * self.sample_rate):round(end * self.sample_rate)]


class FolderMedia(ArrayMedia):
    """A folder of pictures (by name, numbers by value) and its sound file, which lies in the folder or beside it.

    Neither pictures nor sound are held longer than they are needed; of a container (mp4, ...) named as ``audio`` all sound is.

    Args:
        folder: with the pictures.
        audio: the sound file; None: the only sound file in the folder, or ``{folder}.wav``.
        fps: pictures per second; the dataset's 1 by default.

    Raises:
        MediaError: no pictures, pictures of different sizes, or several sound files.
        FileNotFoundError: no such folder or sound file.
    """

    def __init__(self, folder: str | Path, audio: str | Path | None = None, fps: float = 1.) -> None:
        folder = Path(folder)
        names = sorted((p for p in folder.iterdir() if p.suffix.lower() in PICTURES and p.name[0] != '.'), key=_natural)
        if not names:
            raise MediaError(f'{folder}: found no pictures ({", ".join(PICTURES)})')
        self._paths, self._fps, self.name = names, fps, str(folder)
        self.duration, self.size = len(names) / fps, read_rgb(str(names[0]), upright=True).shape[:2]
        audio = self._find_audio(folder) if audio is None else Path(audio)
        self._file, self._waveform, self.sample_rate = None, np.zeros((1, 0), np.float32), 16000
        if audio is None or audio.suffix.lower() in CONTAINERS:
            if audio is not None:
                self._waveform, self.sample_rate = read_audio(audio)
            self.sound_duration = self._waveform.shape[1] / self.sample_rate
        else:
            self._file = SoundFile(audio)
            self.sample_rate = self._file.sample_rate
            self.sound_duration = self._file.num_samples / self.sample_rate

    def sound(self, start: float, end: float) -> np.ndarray:
        if self._file is None:
            return super().sound(start, end)
        return self._file.read(round(start * self.sample_rate), round(end * self.sample_rate))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @staticmethod
    def _find_audio(folder: Path) -> Path | None:
        found = sorted(path for path in folder.glob('*.wav') if path.name[0] != '.')  # macOS leaves a ._name beside a file
        if len(found) > 1:
            raise MediaError(f'{folder}: found {len(found)} wav files, expected one; name the one to hear')
        beside = Path(f'{os.path.abspath(folder)}.wav')  # the name of a folder may hold a dot
        return found[0] if found else beside if beside.is_file() else None

    def frames(self, times: Sequence[float]) -> Iterator[np.ndarray]:
        for time in times:
            path = self._paths[min(int(time * self._fps + 1e-6), len(self._paths) - 1)]
            frame = read_rgb(str(path), upright=True)
            if frame.shape[:2] != self.size:
                raise MediaError(f'{path}: found {frame.shape[:2]}, expected {self.size} like the first picture')
            yield frame


def _natural(path: Path) -> list:
    """Sorts 2.png before 10.png."""
    parts, number = [], ''
    for char in path.name + '\0':
        if char.isdecimal():  # isdigit holds for '²' too, which is no number to int
            number += char
        else:
            if number:
                parts.append((0, int(number), ''))
                number = ''
            parts.append((1, 0, char))
    return parts
