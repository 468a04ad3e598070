import math

import numpy as np
import pytest
import resampy
from torchvggish.vggish_input import waveform_to_examples

from mmicf.utils.audio_file import resample
from mmicf.utils.log_mel import SILENCE, mel_matrix, num_examples, samples_needed, vggish_log_mel


def _noise(seconds, rate=16000, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


def _tones(seconds, rate=16000):
    t = np.arange(int(seconds * rate)) / rate
    sweep = np.sin(2 * np.pi * (200 * t + 300 * t**2))
    return (0.3 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(2 * np.pi * 5000 * t) + 0.2 * sweep).astype(np.float32)


def _reference(waveform, rate=16000):
    return waveform_to_examples(waveform.astype(np.float64), rate).detach().numpy()


@pytest.mark.parametrize('seconds', [0.975, 1, 5, 10, 10.6])
@pytest.mark.parametrize('signal', [_noise, _tones, lambda s: np.zeros(int(s * 16000), np.float32),
                                    lambda s: 1e-4 * _noise(s)], ids=['noise', 'tones', 'silence', 'faint'])
def test_equals_torchvggish(signal, seconds):
    waveform = signal(seconds)
    got, expected = vggish_log_mel(waveform), _reference(waveform)
    assert got.shape == expected.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('rate', [8000, 22050, 24000, 44100, 48000])
def test_other_rates_agree_with_torchvggish_up_to_the_resampler(rate):
    """resampy reads its filter off a table, so its waveform is off by up to 2e-4; where a band holds next to no energy
    (above the old Nyquist frequency at 8 kHz) ln(mel + 0.01) turns that into up to 0.02."""
    waveform = 0.5 * _noise(5, rate) + _tones(5, rate)
    resampled = resample(waveform[None], rate, 16000)[0]
    assert np.abs(resampled - resampy.resample(waveform.astype(np.float64), rate, 16000)).max() < 4e-4
    got, expected = vggish_log_mel(resampled), _reference(waveform, rate)
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert difference.max() < 0.03 and difference.mean() < 1e-3


@pytest.mark.parametrize('samples, examples', [(0, 0), (399, 0), (15360, 0), (15599, 0), (15600, 1), (16000, 1),
                                               (30959, 1), (30960, 2), (80000, 5), (160000, 10), (169600, 11)])
def test_number_of_examples(samples, examples):
    assert num_examples(samples) == examples
    assert vggish_log_mel(np.zeros(samples, np.float32)).shape == (examples, 1, 96, 64)


@pytest.mark.parametrize('examples', [1, 2, 5, 10])
def test_samples_needed_is_the_least(examples):
    needed = samples_needed(examples)
    assert num_examples(needed) == examples and num_examples(needed - 1) == examples - 1


def test_silence_is_the_log_of_the_offset():
    assert pytest.approx(math.log(0.01)) == SILENCE
    np.testing.assert_allclose(vggish_log_mel(np.zeros(16000, np.float32)), SILENCE, atol=1e-6)


def test_bands_are_triangles_of_unit_peak_in_mel():
    matrix = mel_matrix()
    assert matrix.shape == (257, 64) and not matrix[0].any() and matrix.max() <= 1 and matrix.min() == 0
    hertz = np.arange(257) * 16000 / 512
    assert not matrix[(hertz < 125) | (hertz > 7500)].any()
    # between the first and the last centre, neighbouring triangles add up to one
    mel = 1127 * np.log(1 + hertz / 700)
    low, high = 1127 * np.log(1 + np.array([125, 7500]) / 700)
    step = (high - low) / 65
    inside = (mel > low + step) & (mel < high - step)
    np.testing.assert_allclose(matrix[inside].sum(1), 1, atol=1e-9)


def test_a_tone_lights_up_its_band():
    waveform = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    low, high = 1127 * np.log(1 + np.array([125, 7500]) / 700)
    band = (1127 * math.log(1 + 1000 / 700) - low) / ((high - low) / 65) - 1  # the centres are bands 0..63
    assert abs(vggish_log_mel(waveform)[0, 0].mean(0).argmax() - band) <= 0.5


def test_two_dimensional_waveforms_are_refused():
    with pytest.raises(ValueError, match=r'mono samples \(L,\), got shape \(2, 16000\)'):
        vggish_log_mel(np.zeros((2, 16000)))
