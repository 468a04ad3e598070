"""From a waveform to what an audio backbone takes, one piece per frame."""
import math

import numpy as np
from mmcv.transforms import BaseTransform

from mmicf.registry import TRANSFORMS
from mmicf.utils.log_mel import SAMPLE_RATE, SILENCE, samples_needed, vggish_log_mel
from mmicf.utils.log_once import log_once

_FILL = {'silence': SILENCE, 'zero': 0.0}


def check_padding(pad: str | None, max_missing: float) -> None:
    if pad not in ('repeat', 'silence', 'zero', None):
        raise ValueError(f"pad must be 'repeat', 'silence', 'zero' or None, got {pad!r}")
    if max_missing < 0:
        raise ValueError(f'max_missing must not be negative, got {max_missing}')


def fit_examples(log_mel: np.ndarray, num_frames: int, *, pad: str | None, max_missing: int, source: str) -> np.ndarray:
    """(n, 1, 96, 64) → (T, 1, 96, 64): cut, or repair up to ``max_missing`` missing examples; rules in :class:`LogMel`.

    Raises:
        ValueError: there is no example at all, or more are missing than may be repaired; names ``source``.
    """
    n = len(log_mel)
    if n == num_frames:
        return log_mel
    if n > num_frames:
        start = (n - 1) // 2 if num_frames == 1 else 0
        return log_mel[start:start + num_frames]
    missing = num_frames - n
    if n == 0 or pad is None or missing > max_missing:
        allowed = 0 if pad is None else max_missing
        raise ValueError(f'{source}: {n} log-mel examples of 0.96 s found, expected {num_frames} (one per frame); at '
                         f'most {allowed} may be missing (pad={pad!r}) and at least one must be there')
    log_once(f'log-mel padded {pad}', f'{source}: {n} log-mel examples for {num_frames} frames, filled up with '
             f'pad={pad!r} (further ones not logged)')
    last = log_mel[-1:] if pad == 'repeat' else np.full_like(log_mel[-1:], _FILL[pad])
    return np.concatenate([log_mel, *[last] * missing])


def _sources(results: dict) -> str:
    paths = [str(source['path']) for source in results.get('audio') or ()]
    return ' + '.join(paths) or f'clip {results.get("clip_id")!r}'


@TRANSFORMS.register_module()
class LogMel(BaseTransform):
    """VGGish log-mel examples of the clip's waveform, one per frame (:mod:`mmicf.utils.log_mel`).

    ``waveform`` (C, L) at 16 kHz → ``log_mel`` float32 (T, 1, 96, 64). Stereo is averaged. Example k covers 0.96 k to
    0.96 (k + 1) seconds, as in the peers, so it drifts 0.04 s per frame against the pictures.

    More examples than frames: the first T are kept; of a one-frame clip (VPO: one picture, 3 s of sound) the centre
        one.
    Fewer: a documented repair, logged once, for at most ``max_missing`` of them, else an error.

    Args:
        pad: ``'repeat'`` the last example (what the official S4/MS3 preprocessing does), ``'silence'`` (ln 0.01, the
            true value of silence), ``'zero'`` (what the peers do for AVSS; not silence), or None for no repair.
        max_missing: examples that may be filled up.

    Raises:
        ValueError: the waveform is not at 16 kHz, or too short; names the file, the seconds found and those needed.
    """

    def __init__(self, *, pad: str | None = 'repeat', max_missing: int = 1) -> None:
        check_padding(pad, max_missing)
        self.pad = pad
        self.max_missing = max_missing

    def transform(self, results: dict) -> dict:
        source = _sources(results)
        if results['sample_rate'] != SAMPLE_RATE:
            raise ValueError(f'{source}: waveform at {results["sample_rate"]} Hz; LogMel expects {SAMPLE_RATE} Hz '
                             f'(LoadAudio(sample_rate={SAMPLE_RATE}))')
        waveform, num_frames = results['waveform'], results['num_frames']
        needed = samples_needed(num_frames)
        results['log_mel'] = fit_examples(
            vggish_log_mel(waveform.mean(axis=0)), num_frames, pad=self.pad, max_missing=self.max_missing,
            source=f'{source} ({waveform.shape[1] / SAMPLE_RATE:.2f} s found, {needed / SAMPLE_RATE:.2f} s needed)')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pad={self.pad!r}, max_missing={self.max_missing})'


@TRANSFORMS.register_module()
class FitWaveform(BaseTransform):
    """Make the waveform exactly one second per frame, for backbones that cut it themselves (:class:`HTSAT`).

    ``waveform`` (C, L) → (C, T · sample_rate). Longer: the first T seconds are kept; of a one-frame clip the centre
    second. Shorter by at most ``max_missing`` seconds: filled up, logged once.

    Args:
        pad: ``'repeat'`` goes on with the last second (a signal of under one second is tiled, as DDESeg does),
            ``'silence'`` appends zeros, None repairs nothing.
        max_missing: seconds that may be filled up.

    Raises:
        ValueError: too short; names the file, the seconds found and those needed.
    """

    def __init__(self, *, pad: str | None = 'repeat', max_missing: float = 1.0) -> None:
        check_padding(pad, max_missing)
        if pad == 'zero':
            raise ValueError("FitWaveform's zeros are silence: use pad='silence'")
        self.pad = pad
        self.max_missing = max_missing

    def transform(self, results: dict) -> dict:
        waveform, rate = results['waveform'], results['sample_rate']
        have, need = waveform.shape[1], results['num_frames'] * rate
        if have >= need:
            start = (have - need) // 2 if results['num_frames'] == 1 else 0
            results['waveform'] = waveform[:, start:start + need]
            return results
        missing = (need - have) / rate
        found = (f'{_sources(results)}: {have / rate:.2f} s of sound found, expected {need / rate:.2f} s '
                 f'(1 s for each of {results["num_frames"]} frames)')
        if have == 0 or self.pad is None or missing > self.max_missing:
            allowed = 0 if self.pad is None else self.max_missing
            raise ValueError(f'{found}; at most {allowed} s may be missing (pad={self.pad!r})')
        log_once(f'waveform padded {self.pad}', f'{found}, filled up with pad={self.pad!r} (further ones not logged)')
        if self.pad == 'repeat':
            period = waveform[:, -min(have, rate):]
            filler = np.tile(period, (1, math.ceil((need - have) / period.shape[1])))[:, :need - have]
        else:
            filler = np.zeros((len(waveform), need - have), waveform.dtype)
        results['waveform'] = np.concatenate([waveform, filler], axis=1)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pad={self.pad!r}, max_missing={self.max_missing})'
