"""Reading sound files and the sound tracks of videos; resampling."""
import struct
from functools import lru_cache
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio

CONTAINERS = ('.mp4', '.m4a', '.mov', '.mkv', '.webm', '.avi', '.flv', '.3gp', '.aac', '.ts')
ESTIMATED = ('aac', 'mp3')  # ffmpeg's formats without a stated duration: it guesses by the bit rate
MAX_PEAK = 8.0  # float files may overshoot 1 a little; far beyond it the samples are no normalised waveform
RATES = (1000, 1_000_000)  # Hz; a damaged header may say 1 Hz, and resampling would make hours of it
_STREAMED = 0x7FFFF000  # writers to a pipe cannot know the size and put this or more into the header
_MAX_KERNEL = 20_000_000  # taps of the polyphase filter; every rate in use needs under 1 % of it


class AudioFileError(ValueError):
    """The file cannot be used as sound; the message names the file, what was found and what was expected."""


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """All samples of a file as float32 (C, L) in [-1, 1], and its rate in Hz.

    Integer files are read as 16-bit samples over 32768, as the AVS peers do; float files as they are. Containers
    (``CONTAINERS``: mp4 and others) give their first sound track and need PyAV.

    Raises:
        FileNotFoundError: no such file.
        AudioFileError: not sound, empty, truncated, without a sound track, at a rate outside of ``RATES``, with NaN or infinite
            samples, or with samples beyond ``MAX_PEAK`` times full scale.
        ImportError: a container without PyAV installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such audio file')
    if path.suffix.lower() in CONTAINERS:
        waveform, rate = _read_container(path)
        _check(path, rate, waveform.shape[1])
        return _checked_samples(path, waveform), rate
    with SoundFile(path) as file:
        return file.read(0, file.num_samples), file.sample_rate


class SoundFile:
    """A wav, flac or other file of libsndfile's, from which pieces are read; a context manager.

    Args:
        path: the file.

    Attributes:
        sample_rate: Hz.
        num_samples: per channel.

    Raises:
        FileNotFoundError, AudioFileError: as :func:`read_audio`; what is wrong with samples shows when they are read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'{path}: no such audio file')
        _check_riff(self.path)
        try:
            self._file = soundfile.SoundFile(self.path)
        except Exception as error:
            raise self._unreadable(error) from error
        self.sample_rate, self.num_samples = self._file.samplerate, self._file.frames
        # libsndfile does not scale float samples when asked for integers
        self._is_float = self._file.subtype in ('FLOAT', 'DOUBLE')
        try:
            _check(self.path, self.sample_rate, self.num_samples)
        except AudioFileError:
            self.close()
            raise

    def _unreadable(self, error: Exception) -> AudioFileError:
        return AudioFileError(f'{self.path}: cannot be read as sound ({error}); {self.path.stat().st_size} bytes found')

    def read(self, first: int, last: int) -> np.ndarray:
        """Samples ``first`` to ``last`` as float32 (C, L) in [-1, 1], fewer where the file ends."""
        first, last = (min(max(0, x), self.num_samples) for x in (first, last))
        try:
            self._file.seek(first)
            samples = self._file.read(last - first, dtype='float32' if self._is_float else 'int16', always_2d=True)
        except Exception as error:  # libsndfile's own, or numpy's where a header promises more samples than fit into memory
            raise self._unreadable(error) from error
        if len(samples) < last - first:
            raise AudioFileError(f'{self.path}: truncated, {first + len(samples)} of {self.num_samples} samples found')
        waveform = np.ascontiguousarray(samples.T, dtype=np.float32)
        return _checked_samples(self.path, waveform if self._is_float else waveform / np.float32(32768))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> 'SoundFile':
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _check(path: Path, rate: int, num_samples: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioFileError(f'{path}: found {rate} samples per second; expected {RATES[0]} to {RATES[1]}')
    if num_samples == 0:
        raise AudioFileError(f'{path}: holds no samples; expected a non-empty recording')


def _checked_samples(path: Path, waveform: np.ndarray) -> np.ndarray:
    if not np.isfinite(waveform).all():
        bad = int((~np.isfinite(waveform)).sum())
        raise AudioFileError(f'{path}: {bad} of {waveform.size} samples are NaN or infinite; expected finite samples')
    peak = float(np.abs(waveform).max(initial=0.))
    if peak > MAX_PEAK:
        raise AudioFileError(f'{path}: samples reach {peak:.4g}; expected a waveform in [-1, 1]')
    return waveform


def _check_riff(path: Path) -> None:
    """Compare the size in a wav header with the bytes that follow it: libsndfile reads a cut file without complaint."""
    size = path.stat().st_size
    with open(path, 'rb') as file:
        head = file.read(12)
        if head[:4] != b'RIFF' or head[8:12] != b'WAVE':
            return
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack('<4sI', chunk)
            left = size - file.tell()
            if name == b'data':
                if left < length < _STREAMED:
                    raise AudioFileError(f'{path}: truncated, {left} of {length} bytes of samples found')
                return
            file.seek(length + length % 2, 1)


def _read_container(path: Path) -> tuple[np.ndarray, int]:
    try:
        import av
    except ImportError as error:
        raise ImportError(f"{path}: sound tracks of video files need PyAV: pip install 'mmicf[video]'") from error
    try:
        with av.open(str(path), metadata_errors='ignore') as container:
            if not container.streams.audio:
                raise AudioFileError(f'{path}: has no sound track')
            stream = container.streams.audio[0]
            rate = stream.rate
            if not rate:
                raise AudioFileError(f'{path}: has a sound track of an unknown kind')
            resampler = av.AudioResampler(format='s16p', rate=rate)
            parts = [out.to_ndarray() for frame in container.decode(stream) for out in resampler.resample(frame)]
            parts += [out.to_ndarray() for out in resampler.resample(None)]
            stated = stream.duration and container.format.name not in ESTIMATED
            promised = float(stream.duration * stream.time_base) if stated else 0.0
        samples = np.concatenate(parts, axis=1) if parts else np.zeros((1, 0), np.int16)
    except AudioFileError:
        raise
    except Exception as error:  # ffmpeg's own, or PyAV's where a damaged track changes its format midway
        raise AudioFileError(f'{path}: cannot be decoded ({error})') from error
    found = samples.shape[1] / rate
    if found < promised - 0.5:  # encoders round a track to whole packets, well below half a second
        raise AudioFileError(f'{path}: truncated, {found:.2f} s of {promised:.2f} s of sound found')
    return samples.astype(np.float32) / np.float32(32768), rate


@lru_cache(maxsize=16)
def _resampler(rate: int, target: int) -> torchaudio.transforms.Resample:
    # resampy's kaiser_best: roll-off 0.917, beta 12.98 (-120 dB) and 50 crossings, which it counts before the roll-off
    # and torchaudio after it: 50 · 0.917 = 46
    return torchaudio.transforms.Resample(rate, target, resampling_method='sinc_interp_kaiser', lowpass_filter_width=46,
                                          rolloff=0.9173473712608761, beta=12.9846)


def resample(waveform: np.ndarray, rate: int, target: int) -> np.ndarray:
    """float32 (C, L) at ``rate`` Hz to ``target`` Hz; ⌈L·target/rate⌉ samples.

    The filter is that of torchvggish's resampler, resampy's ``kaiser_best``. resampy interpolates it from a table, this
    one evaluates it: on recordings at 24, 44.1 and 48 kHz the waveforms differ by up to 6e-5 of full scale and the
    log-mels by 0.0002 on average and 0.008 at most.

    Raises:
        ValueError: the rates have so small a common divisor that the filter would not fit into memory.
    """
    if rate == target:
        return waveform
    common = gcd(rate, target)
    up, down = target // common, rate // common
    if up * (down + 2 * 50 * max(1, down // up)) > _MAX_KERNEL:
        raise ValueError(f'cannot resample {rate} Hz to {target} Hz: their common divisor is only {common} Hz; convert '
                         'the file to a usual rate (8000, 11025, 16000, 22050, 32000, 44100, 48000 Hz, ...) first')
    with torch.no_grad():
        return _resampler(rate, target)(torch.from_numpy(np.ascontiguousarray(waveform))).numpy()
