import math

import numpy as np
import pytest

from mmicf.datasets.transforms import FitWaveform, LogMel
from mmicf.registry import TRANSFORMS
from mmicf.utils import log_once
from mmicf.utils.log_mel import vggish_log_mel

SILENCE = math.log(0.01)


@pytest.fixture(autouse=True)
def logged(monkeypatch):
    messages = []
    monkeypatch.setattr(log_once, '_SEEN', set())
    monkeypatch.setattr(log_once, 'print_log', lambda message, logger, level: messages.append(message))
    return messages


def _clip(seconds, num_frames, rate=16000, channels=1):
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, round(seconds * rate))).astype(np.float32)
    return {'clip_id': 'c', 'audio': [{'path': 'dir/a.wav', 'position': None}], 'num_frames': num_frames,
            'waveform': waveform, 'sample_rate': rate}


@pytest.mark.parametrize('seconds, num_frames', [(5, 5), (10, 10), (10, 5), (4.9, 5), (30, 10)])
def test_one_example_per_frame_from_the_start(seconds, num_frames, logged):
    clip = _clip(seconds, num_frames)
    log_mel = TRANSFORMS.build({'type': 'LogMel'})(clip)['log_mel']
    assert log_mel.shape == (num_frames, 1, 96, 64) and log_mel.dtype == np.float32
    np.testing.assert_array_equal(log_mel, vggish_log_mel(clip['waveform'][0])[:num_frames])
    assert not logged


def test_stereo_is_averaged():
    clip = _clip(1, 1, channels=2)
    mono = clip['waveform'].mean(0)
    np.testing.assert_allclose(LogMel()(clip)['log_mel'], vggish_log_mel(mono), atol=1e-6)


def test_a_single_frame_gets_the_centre_example():
    clip = _clip(3, 1)
    middle = clip['waveform'][0, 15360:]
    np.testing.assert_allclose(LogMel()(clip)['log_mel'], vggish_log_mel(middle)[:1], atol=1e-6)


@pytest.mark.parametrize('pad', ['repeat', 'silence', 'zero'])
def test_one_missing_example_is_filled_up_and_logged_once(pad, logged):
    for _ in range(2):
        log_mel = LogMel(pad=pad)(_clip(4, 5))['log_mel']
    own = vggish_log_mel(_clip(4, 5)['waveform'][0])
    np.testing.assert_array_equal(log_mel[:4], own)
    expected = {'repeat': own[3], 'silence': SILENCE, 'zero': 0}[pad]
    np.testing.assert_allclose(log_mel[4], np.broadcast_to(expected, (1, 96, 64)), atol=1e-6)
    assert len(logged) == 1 and 'dir/a.wav (4.00 s found, 4.82 s needed): 4 log-mel examples for 5' in logged[0]


@pytest.mark.parametrize('seconds, options, found', [
    (3, {}, 3), (4, {'pad': None}, 4), (4, {'max_missing': 0}, 4), (0.9, {'max_missing': 5}, 0), (0, {}, 0),
    (0.01, {}, 0)])
def test_too_short_names_file_found_and_expected(seconds, options, found):
    with pytest.raises(ValueError, match=rf'dir/a\.wav \({seconds:.2f} s found, 4\.82 s needed\): {found} log-mel '
                                         r'examples .* expected 5'):
        LogMel(**options)(_clip(seconds, 5))


def test_more_repair_can_be_asked_for():
    assert LogMel(max_missing=4)(_clip(1, 5))['log_mel'].shape == (5, 1, 96, 64)


def test_other_rate_is_refused():
    with pytest.raises(ValueError, match=r'dir/a\.wav: waveform at 22050 Hz; LogMel expects 16000 Hz'):
        LogMel()(_clip(5, 5, rate=22050))


def test_wrong_options():
    with pytest.raises(ValueError, match="pad must be 'repeat'"):
        LogMel(pad='reflect')
    with pytest.raises(ValueError, match='max_missing'):
        LogMel(max_missing=-1)
    with pytest.raises(ValueError, match="use pad='silence'"):
        FitWaveform(pad='zero')


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('rate', [16000, 22050])
def test_waveforms_become_one_second_per_frame(channels, rate):
    clip = _clip(7.3, 5, rate, channels)
    fitted = FitWaveform()(dict(clip))['waveform']
    np.testing.assert_array_equal(fitted, clip['waveform'][:, :5 * rate])
    exact = _clip(5, 5, rate, channels)
    np.testing.assert_array_equal(FitWaveform()(dict(exact))['waveform'], exact['waveform'])


def test_a_single_frame_gets_the_centre_second():
    clip = _clip(3, 1)
    np.testing.assert_array_equal(FitWaveform()(dict(clip))['waveform'], clip['waveform'][:, 16000:32000])


def test_short_waveforms_are_filled_up(logged):
    clip = _clip(4.6, 5)
    repeated = FitWaveform()(dict(clip))['waveform'][0]
    assert len(repeated) == 80000
    np.testing.assert_array_equal(repeated[:73600], clip['waveform'][0])
    np.testing.assert_array_equal(repeated[73600:], clip['waveform'][0, 57600:64000])  # one second earlier
    silent = FitWaveform(pad='silence')(dict(clip))['waveform'][0]
    np.testing.assert_array_equal(silent[:73600], clip['waveform'][0])
    assert not silent[73600:].any()
    assert len(logged) == 2 and 'dir/a.wav: 4.60 s of sound found, expected 5.00 s' in logged[0]


def test_less_than_a_second_is_tiled_as_in_ddeseg():
    clip = _clip(0.3, 1)
    np.testing.assert_array_equal(FitWaveform()(dict(clip))['waveform'][0], np.tile(clip['waveform'][0], 4)[:16000])


@pytest.mark.parametrize('seconds, options', [(3.5, {}), (4.6, {'pad': None}), (4.6, {'max_missing': 0.2}),
                                              (0, {'max_missing': 9})])
def test_too_short_waveforms_are_refused(seconds, options):
    with pytest.raises(ValueError, match=rf'dir/a\.wav: {seconds:.2f} s of sound found, expected 5\.00 s'):
        FitWaveform(**options)(_clip(seconds, 5))
