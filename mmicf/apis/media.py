"""Pictures and sound of a folder or of arrays, read forward in time."""
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path

import numpy as np

from mmicf.datasets.transforms.loading_frames import read_rgb
from mmicf.utils.audio_file import CONTAINERS, MAX_PEAK, RATES, SoundFile, read_audio

PICTURES = ('.png', '.jpg', '.jpeg', '.bmp')
SILENCE_AND_FULL_SCALE = dict(uint8=(128, 128), int8=(0, 128), int16=(0, 2**15), int32=(0, 2**31))  # libsndfile's


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
        files: files and folders that are read, which no output may replace.
    """

    name: str
    duration: float
    size: tuple[int, int]
    sound_duration: float
    sample_rate: int
    files: tuple[Path, ...] = ()

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
        waveform: (L,) or (C, L), or None: float in [-1, 1], or integers of 8 (signed or not), 16 or 32 bits, which are scaled by
            their full scale.
        sample_rate: Hz, a whole number.
        fps: pictures per second.
        name: for messages and outputs.

    Raises:
        MediaError: another shape or type, no picture, samples that are not finite or beyond ``MAX_PEAK``, a rate of pictures that
            is not positive and finite, or one of sound that is not whole or outside of ``RATES``.
    """

    def __init__(self, frames: np.ndarray, waveform: np.ndarray | None = None, sample_rate: int = 16000, fps: float = 1.,
                 name: str = 'array') -> None:
        frames = _array(name, 'frames', frames)
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not frames.size:
            raise MediaError(f'{name}: found frames {frames.dtype} {frames.shape}, expected uint8 (T, H, W, 3)')
        waveform = np.zeros((1, 0), np.float32) if waveform is None else _samples(name, waveform)
        pictures, samples = _number(fps), _number(sample_rate)
        if not (0 < pictures < np.inf and samples.is_integer() and RATES[0] <= samples <= RATES[1]):
            raise MediaError(f'{name}: found {fps!r} pictures and {sample_rate!r} samples per second, expected more than 0 '
                             f'pictures and a whole number of samples in {RATES[0]}..{RATES[1]}')
        self.name, self._frames, self._waveform, self.sample_rate, self._fps = name, frames, waveform, int(samples), pictures
        self.duration, self.size = len(frames) / self._fps, frames.shape[1:3]
        self.sound_duration = waveform.shape[1] / self.sample_rate

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
        self.files = (folder,) if audio is None else (folder, audio)
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


def _array(name: str, key: str, given: object) -> np.ndarray:
    try:
        return np.asarray(given)
    except Exception as error:  # lists of uneven lengths, tensors that lie on a GPU or want gradients
        raise MediaError(f'{name}: found {key} that cannot be read as a numpy array ({error})') from error


def _samples(name: str, given: object) -> np.ndarray:
    """float32 (C, L) in [-1, 1] of a waveform of any type that says what full scale is, checked as sound files are."""
    given = _array(name, 'a waveform', given)
    if given.ndim not in (1, 2) or given.shape[:-1] == (0,):
        raise MediaError(f'{name}: found a waveform of shape {given.shape}, expected (L,) or (C, L)')
    waveform, kind = np.atleast_2d(given), given.dtype.name
    if kind in SILENCE_AND_FULL_SCALE:
        silence, full_scale = SILENCE_AND_FULL_SCALE[kind]
        return (waveform.astype(np.float32) - np.float32(silence)) / np.float32(full_scale)
    if given.dtype.kind != 'f':
        raise MediaError(f'{name}: found a waveform of type {kind}, expected float in [-1, 1] or {list(SILENCE_AND_FULL_SCALE)}')
    peak = float(np.abs(waveform).max(initial=0.))  # NaN where a sample is
    if not peak <= MAX_PEAK:
        raise MediaError(f'{name}: found samples that reach {peak:.4g}, expected a finite waveform in [-1, 1]')
    return waveform.astype(np.float32, copy=False)


def _number(given: object) -> float:
    """A number, as an array of no dimensions too, in which npz files hold one; NaN for anything else."""
    given = given.item() if isinstance(given, np.ndarray) and given.ndim == 0 else given
    return float(given) if isinstance(given, Real) else np.nan


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
