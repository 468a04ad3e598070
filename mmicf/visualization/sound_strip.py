"""The strip under a clip's frames: its sound over time, with each frame's second marked."""
import numpy as np
from matplotlib.axes import Axes
from scipy.signal import spectrogram

EXAMPLE_SECONDS = 0.96  # a log-mel example covers 0.96 s: example k starts 0.04·k s before frame k's second
RANGE = 80.0  # dB shown below the loudest bin
FLOOR = 1e-10


def draw_waveform(axes: Axes, waveform: np.ndarray, sample_rate: int) -> None:
    """Power spectrogram in dB, linear in frequency up to 8 kHz, windows of 25 ms every 10 ms.

    Args:
        axes: to draw into.
        waveform: (L,) or (C, L); the power is averaged over channels, so opposite phases do not cancel.
        sample_rate: Hz.

    Raises:
        ValueError: the sound is shorter than one window.
    """
    window, hop = round(0.025 * sample_rate), round(0.01 * sample_rate)
    if waveform.shape[-1] < window:
        raise ValueError(f'found {waveform.shape[-1]} samples at {sample_rate} Hz, expected at least {window} to draw')
    frequency, _, power = spectrogram(np.atleast_2d(waveform), sample_rate, nperseg=window, noverlap=window - hop)
    shown = frequency <= 8000
    decibel = 10 * np.log10(power.mean(0)[shown] + FLOOR)
    seconds = decibel.shape[1] * hop / sample_rate
    axes.imshow(decibel, origin='lower', aspect='auto', cmap='magma', extent=(0, seconds, 0, frequency[shown][-1] / 1000),
                vmin=max(decibel.max() - RANGE, 10 * np.log10(FLOOR)), vmax=decibel.max() + 1e-3)
    axes.set_ylabel('kHz', fontsize=9)


def draw_log_mel(axes: Axes, log_mel: np.ndarray) -> None:
    """VGGish examples (T, 1, 96, 64) one after the other, 0.96 s each."""
    picture = log_mel.reshape(-1, log_mel.shape[-1]).T  # (64, 96·T)
    axes.imshow(picture, origin='lower', aspect='auto', cmap='magma',
                extent=(0, EXAMPLE_SECONDS * len(log_mel), 0, picture.shape[0]))
    axes.set_ylabel('mel band', fontsize=9)


def mark_seconds(axes: Axes, duration: float) -> None:
    """Set the time axis to 0..``duration`` s and mark each second by a dashed line and a label."""
    ticks = np.arange(0, int(duration) + 1)
    for second in ticks:
        axes.axvline(second, color='white', linewidth=1, linestyle='--')
    axes.set_xlim(0, duration)
    axes.set_xticks(ticks, [f't = {second} s' for second in ticks])
    axes.set_facecolor('black')  # where the sound has ended
    axes.tick_params(labelsize=8)
