"""Timbres of the synthetic classes and the sound of a clip."""
import numpy as np

SAMPLE_RATE = 16000  # Hz
EXAMPLE_SECONDS = 0.96  # VGGish's example t covers 0.96·t to 0.96·(t+1) s; sound states change at these borders
FADE_SECONDS = 0.01

# (fundamental in Hz, amplitudes of its harmonics, tremolo in Hz): bands that lie apart on the mel axis, 125 to 7500 Hz.
TIMBRES = (
    (190., (1., .5), 3.), (430., (1., .3), 7.), (900., (1., .25), 11.), (1750., (1., .2), 4.), (3100., (1.,), 9.),
    (5200., (1.,), 14.))


def timbre(index: int, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """A steady sound of class ``index``, float64 (num_samples,), RMS 0.1, with random phase and ±2 % detune."""
    fundamental, harmonics, tremolo = TIMBRES[index]
    seconds = np.arange(num_samples) / SAMPLE_RATE
    fundamental = fundamental * rng.uniform(0.98, 1.02)
    wave = sum(a * np.sin(2 * np.pi * fundamental * (k + 1) * seconds + rng.uniform(0, 2 * np.pi))
               for k, a in enumerate(harmonics))
    wave = wave * (1 + 0.5 * np.sin(2 * np.pi * tremolo * seconds + rng.uniform(0, 2 * np.pi)))
    return wave * (0.1 / np.sqrt(np.mean(wave**2)))


def gate(states: np.ndarray, num_samples: int) -> np.ndarray:
    """Loudness over time, (num_samples,), from one boolean per example, (T,), with short fades; the last one goes on."""
    example = np.minimum((np.arange(num_samples) / (EXAMPLE_SECONDS * SAMPLE_RATE)).astype(int), len(states) - 1)
    fade = int(FADE_SECONDS * SAMPLE_RATE)
    return np.convolve(np.pad(states[example].astype(float), fade // 2, 'edge'), np.ones(fade) / fade, 'same')[
        fade // 2:fade // 2 + num_samples]


def clip_sound(classes: np.ndarray, states: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Sum of the sources' sounds over a faint noise floor.

    Args:
        classes: (K,) synthetic class of each source.
        states: bool (T, K), which source sounds during each example.
        seconds: length of the clip.

    Returns:
        float32 (L,) at 16 kHz, within [-1, 1].
    """
    length = round(seconds * SAMPLE_RATE)
    wave = 1e-4 * rng.standard_normal(length)
    for k, index in enumerate(classes):
        wave = wave + timbre(int(index), length, rng) * gate(states[:, k], length) * rng.uniform(0.8, 1.25)
    return np.clip(wave, -1, 1).astype(np.float32)
