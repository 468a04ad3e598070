"""Arrays as inputs: sound of all types that have a full scale, and what is refused."""
from fractions import Fraction

import numpy as np
import pytest

from mmicf.apis.media import ArrayMedia, MediaError
from mmicf.utils.audio_file import MAX_PEAK

FRAMES = np.zeros((3, 8, 10, 3), np.uint8)
SOUND = 0.9 * np.sin(np.arange(3000) / 7)


@pytest.mark.parametrize('kind, silence, full_scale', [
    ('int8', 0, 2**7), ('uint8', 128, 2**7), ('int16', 0, 2**15), ('>i2', 0, 2**15), ('int32', 0, 2**31),
])
def test_integers_say_what_floats_say(kind, silence, full_scale):
    for channels in (SOUND, np.stack([SOUND, -SOUND])):
        heard = ArrayMedia(FRAMES, np.round(channels * full_scale + silence).astype(kind), 1000).sound(0, 3)
        assert heard.dtype == np.float32 and heard.shape == (channels.ndim, 3000)
        assert np.abs(heard - channels).max() <= 0.5 / full_scale + 1e-6


@pytest.mark.parametrize('kind', ['float16', 'float32', 'float64'])
def test_floats_are_heard_as_they_are(kind):
    sound = (MAX_PEAK * SOUND).astype(kind)
    heard = ArrayMedia(FRAMES, sound, 1000).sound(0, 3)
    assert heard.dtype == np.float32 and np.array_equal(heard, sound[None].astype(np.float32))


@pytest.mark.parametrize('waveform, found', [
    (1e5 * SOUND, r'mine: found samples that reach 9e\+04, expected a finite waveform in \[-1, 1\]'),
    (np.full(9, 1e300), 'mine: found samples that reach 1e[+]300'),  # infinite as float32
    (np.array([0., np.nan]), 'mine: found samples that reach nan'),
    (np.array([0., -np.inf]), 'mine: found samples that reach inf'),
    (np.zeros(9, np.int64), r"mine: found a waveform of type int64, expected float in \[-1, 1\] or \['uint8', "),
    (np.zeros(9, np.uint16), 'mine: found a waveform of type uint16'),
    (np.zeros(9, bool), 'mine: found a waveform of type bool'),
    (np.zeros(9, complex), 'mine: found a waveform of type complex128'),
    ('sound.wav', r'mine: found a waveform of shape \(\)'),
    (['sound.wav'], 'mine: found a waveform of type str'),
    ([[0., 0.], [0.]], 'mine: found a waveform that cannot be read as a numpy array'),
    (0.5, r'mine: found a waveform of shape \(\), expected \(L,\) or \(C, L\)'),
    (np.zeros((0, 9)), r'mine: found a waveform of shape \(0, 9\)'),
    (np.zeros((1, 1, 9)), r'mine: found a waveform of shape \(1, 1, 9\)'),
])
def test_sound_that_is_refused(waveform, found):
    with pytest.raises(MediaError, match=found):
        ArrayMedia(FRAMES, waveform, name='mine')


@pytest.mark.parametrize('frames', [FRAMES[:0], FRAMES[:, :0], FRAMES[0], FRAMES.astype(float), [FRAMES[0], FRAMES[0, :4]], 'clip'])
def test_pictures_that_are_refused(frames):
    with pytest.raises(MediaError, match='mine: found frames '):
        ArrayMedia(frames, name='mine')


@pytest.mark.parametrize('rate', [16000, 16000., np.int64(16000), np.float32(16000), np.array(16000), np.array(16000.)])
def test_rates_of_sound(rate):
    media = ArrayMedia(FRAMES, np.zeros(48000), rate)
    assert media.sample_rate == 16000 and type(media.sample_rate) is int and media.sound_duration == 3
    assert media.sound(1., 2.5).shape == (1, 24000)


@pytest.mark.parametrize('fps', [2, 2., Fraction(2), np.float64(2), np.array(2)])
def test_rates_of_pictures(fps):
    media = ArrayMedia(FRAMES, fps=fps)
    assert media.duration == 1.5 and len(list(media.frames([0, 0.5, 1]))) == 3


@pytest.mark.parametrize('rates, found', [
    (dict(sample_rate=44100.5), '1.0 pictures and 44100.5 samples'),
    (dict(sample_rate='16000'), "1.0 pictures and '16000' samples"),
    (dict(sample_rate=None), '1.0 pictures and None samples'), (dict(sample_rate=np.nan), '1.0 pictures and nan samples'),
    (dict(sample_rate=np.inf), '1.0 pictures and inf samples'), (dict(sample_rate=16), '1.0 pictures and 16 samples'),
    (dict(sample_rate=10**7), '1.0 pictures and 10000000 samples'),
    (dict(sample_rate=[16000]), r'1.0 pictures and \[16000\] samples'),
    (dict(fps=None), 'None pictures and 16000 samples'), (dict(fps='2'), "'2' pictures and 16000 samples"),
    (dict(fps=np.nan), 'nan pictures and 16000 samples'), (dict(fps=np.inf), 'inf pictures and 16000 samples'),
    (dict(fps=1j), '1j pictures and 16000 samples'),
])
def test_rates_that_are_refused(rates, found):
    with pytest.raises(MediaError, match=f'mine: found {found} per second, expected more than 0 pictures and a whole number'):
        ArrayMedia(FRAMES, name='mine', **rates)
