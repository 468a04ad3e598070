"""Log-mel examples as VGGish takes them.

The front end of AudioSet's VGGish, which the AVS peers share: 16 kHz, 25 ms windows every 10 ms (400 and 160 samples,
periodic Hann, 512-point FFT, no centre padding), magnitudes, 64 triangular bands linear in HTK mel between 125 and
7500 Hz, natural log of (mel + 0.01), cut into examples of 96 windows (0.96 s) that do not overlap. Example k therefore
starts at 0.96 k seconds.
"""
import math
from functools import lru_cache

import numpy as np

SAMPLE_RATE = 16000
WINDOW, HOP, FFT = 400, 160, 512
EXAMPLE_WINDOWS, NUM_BANDS = 96, 64
MIN_HZ, MAX_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01
SILENCE = math.log(LOG_OFFSET)  # the value of every bin of a silent example


def num_examples(num_samples: int) -> int:
    """Whole examples in ``num_samples`` samples at 16 kHz; the rest is dropped."""
    return max(0, (num_samples - WINDOW) // HOP + 1) // EXAMPLE_WINDOWS


def samples_needed(examples: int) -> int:
    """Fewest samples at 16 kHz that give ``examples`` examples: 15,600 (0.975 s) for the first, 15,360 for each
    other."""
    return (examples * EXAMPLE_WINDOWS - 1) * HOP + WINDOW


def _hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(hertz / 700.0)


@lru_cache(maxsize=1)
def mel_matrix() -> np.ndarray:
    """float64 (257, 64): FFT magnitudes to mel bands. Unit peaks, no area normalisation, nothing from the DC bin."""
    bins = _hertz_to_mel(np.linspace(0.0, SAMPLE_RATE / 2, FFT // 2 + 1))[:, None]
    edges = np.linspace(*_hertz_to_mel(np.array([MIN_HZ, MAX_HZ])), NUM_BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    matrix = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0.0, None)
    matrix[0] = 0.0
    return matrix


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


def vggish_log_mel(waveform: np.ndarray) -> np.ndarray:
    """Mono samples (L,) at 16 kHz in [-1, 1] to float32 examples (n, 1, 96, 64); n is 0 below 15,600 samples.

    Raises:
        ValueError: the waveform is not one-dimensional.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1:
        raise ValueError(f'the log-mel front end takes mono samples (L,), got shape {waveform.shape}')
    n = num_examples(len(waveform))
    if n == 0:
        return np.zeros((0, 1, EXAMPLE_WINDOWS, NUM_BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW)[::HOP][:n * EXAMPLE_WINDOWS]
    magnitude = np.abs(np.fft.rfft(frames * _window(), FFT))  # (windows, 257), float64
    log_mel = np.log(magnitude @ mel_matrix() + LOG_OFFSET)
    return log_mel.reshape(n, 1, EXAMPLE_WINDOWS, NUM_BANDS).astype(np.float32)
