"""Loading a clip's sound: waveforms and stored log-mel examples."""
import math
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmicf.registry import TRANSFORMS
from mmicf.utils.array_file import read_npy
from mmicf.utils.audio_file import AudioFileError, read_audio, resample
from mmicf.utils.log_mel import EXAMPLE_WINDOWS, NUM_BANDS, SILENCE
from mmicf.utils.log_once import log_once
from mmicf.utils.safe_pickle import load_tensor_pickle

from .audio_features import check_padding, fit_examples


@TRANSFORMS.register_module()
class LoadAudio(BaseTransform):
    """Read, resample and add up the sound files of a clip.

    ``audio`` (list of ``dict(path, position)``) → ``waveform`` float32 (1, L) or (2, L), ``sample_rate`` in Hz.

    Each file is turned to mono (channel mean, before resampling, as torchvggish does) or, with ``mono=False``, to
    stereo: a file with a ``position`` p in [0, 1] (0 left, 1 right) becomes L = (1 − p)·w, R = p·w of its mono signal
    w (CAVP's rule for VPO), a file without one keeps its two channels, a mono file is put on both. Several files are
    summed, not averaged (VPO), so the sum may leave [-1, 1]. A silent clip is valid input and is only logged.

    Args:
        sample_rate: rate of the result in Hz; None keeps the file's.
        mono: one channel instead of two. A ``position`` then has no effect.
        duration: seconds to fit each file to before the sum: longer files are cut around their centre, shorter ones
            repeated from their start (VPO: 3.0). None keeps the length; then all files of a clip must be equally long.

    Raises:
        FileNotFoundError, AudioFileError: see :func:`mmicf.utils.audio_file.read_audio`; the latter also for more than
            two channels in stereo and for several files of different length or rate.
        ValueError: the clip names no file, or a position lies outside [0, 1].
    """

    def __init__(self, *, sample_rate: int | None = 16000, mono: bool = True, duration: float | None = None) -> None:
        if sample_rate is not None and sample_rate <= 0:
            raise ValueError(f'sample_rate must be positive Hz or None, got {sample_rate}')
        if duration is not None and duration <= 0:
            raise ValueError(f'duration must be positive seconds or None, got {duration}')
        self.sample_rate = sample_rate
        self.mono = mono
        self.duration = duration

    def transform(self, results: dict) -> dict:
        sources = results.get('audio')
        if not sources:
            stored = '' if results.get('log_mel_path') is None else (
                '; for stored log-mels use LoadLogMel in place of LoadAudio and LogMel (docs/en/data.md)')
            raise ValueError(f'clip {results.get("clip_id")!r} names no audio file; expected a list of '
                             f'dict(path, position){stored}')
        total, total_rate = None, None
        for source in sources:
            waveform, rate = self._load(source['path'], source.get('position'))
            if total is None:
                total, total_rate = waveform, rate
            elif waveform.shape != total.shape or rate != total_rate:
                raise AudioFileError(
                    f'{source["path"]}: {waveform.shape[1]} samples at {rate} Hz cannot be added to {total.shape[1]} '
                    f'samples at {total_rate} Hz of {sources[0]["path"]}; set sample_rate and duration')
            else:
                total = total + waveform
        if not total.any():
            log_once('silent audio', f'{sources[0]["path"]}: silent, all zeros; used as it is (further ones not '
                     'logged)')
        results['waveform'] = total
        results['sample_rate'] = total_rate
        return results

    def _load(self, path: str, position: float | None) -> tuple[np.ndarray, int]:
        waveform, rate = read_audio(path)
        pan = position is not None and not self.mono
        if pan and not 0 <= position <= 1:
            raise ValueError(f'{path}: position {position} lies outside [0, 1] (0 left, 1 right)')
        if self.mono or pan:
            waveform = waveform.mean(axis=0, keepdims=True)
        elif len(waveform) > 2:
            raise AudioFileError(f'{path}: {len(waveform)} channels; expected 1 or 2 for a stereo waveform')
        if self.sample_rate is not None:
            try:
                waveform, rate = resample(waveform, rate, self.sample_rate), self.sample_rate
            except ValueError as error:
                raise AudioFileError(f'{path}: {error}') from None
        if self.duration is not None:
            waveform = _centre_or_tile(waveform, round(self.duration * rate))
        if pan:
            waveform = np.concatenate([(1 - position) * waveform, position * waveform])
        elif not self.mono and len(waveform) == 1:
            waveform = np.repeat(waveform, 2, axis=0)
        return waveform.astype(np.float32, copy=False), rate

    def __repr__(self) -> str:
        return f'{type(self).__name__}(sample_rate={self.sample_rate}, mono={self.mono}, duration={self.duration})'


def _centre_or_tile(waveform: np.ndarray, length: int) -> np.ndarray:
    """(C, L) → (C, length): the centre, or the signal repeated from its start."""
    have = waveform.shape[1]
    if have >= length:
        start = (have - length) // 2
        return waveform[:, start:start + length]
    return np.tile(waveform, (1, math.ceil(length / have)))[:, :length]


@TRANSFORMS.register_module()
class LoadLogMel(BaseTransform):
    """Read a clip's stored log-mel examples: a ``.npy`` cache (``tools/dataset_converters/audio_to_logmel.py``) or the
    official ``.pkl``, which is read without running code from it.

    ``log_mel_path`` → ``log_mel`` float32 (T, 1, 96, 64). More examples than frames are cut and fewer are repaired as
    in :class:`LogMel`.

    Args:
        pad: see :class:`LogMel`.
        max_missing: see :class:`LogMel`.

    Raises:
        FileNotFoundError: the file is missing.
        UnsafePickleError: the pickle is anything but one plain tensor.
        ValueError: no path, another suffix, another shape than (n, 1, 96, 64), no float numbers, NaN, or too few
            examples.
    """

    def __init__(self, *, pad: str | None = 'repeat', max_missing: int = 1) -> None:
        check_padding(pad, max_missing)
        self.pad = pad
        self.max_missing = max_missing

    def transform(self, results: dict) -> dict:
        path = results.get('log_mel_path')
        if path is None:
            raise ValueError(f'clip {results.get("clip_id")!r} has no stored log-mel; write it with tools/'
                             'dataset_converters/audio_to_logmel.py, or use LoadAudio and LogMel to compute it')
        results['log_mel'] = fit_examples(read_log_mel(path), results['num_frames'], pad=self.pad,
                                          max_missing=self.max_missing, source=str(path))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pad={self.pad!r}, max_missing={self.max_missing})'


def read_log_mel(path: str | Path) -> np.ndarray:
    """float32 (n, 1, 96, 64) of a ``.npy`` or ``.pkl`` file; raises as :class:`LoadLogMel` says."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such log-mel file')
    if path.suffix == '.npy':
        log_mel = read_npy(path)
    elif path.suffix == '.pkl':
        tensor = load_tensor_pickle(path)
        log_mel = (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # numpy has no bfloat16
    else:
        raise ValueError(f'{path}: log-mel files end in .npy or .pkl')
    shape = (1, EXAMPLE_WINDOWS, NUM_BANDS)
    if log_mel.ndim != 4 or log_mel.shape[1:] != shape or not np.issubdtype(log_mel.dtype, np.floating):
        raise ValueError(f'{path}: found {log_mel.dtype} {log_mel.shape}; expected float32 (n, 1, 96, 64)')
    log_mel = log_mel.astype(np.float32, copy=False)
    if not np.isfinite(log_mel).all():
        bad = int((~np.isfinite(log_mel)).sum())
        raise ValueError(f'{path}: {bad} of {log_mel.size} values are NaN or infinite; expected finite numbers')
    if log_mel.size and log_mel.min() < SILENCE - 1e-2:
        log_once('foreign log-mel', f'{path}: values down to {log_mel.min():.2f}, but ln(mel + 0.01) never falls below '
                 f'{SILENCE:.2f}: another front end than VGGish\'s made this file (further ones not logged)')
    return log_mel
