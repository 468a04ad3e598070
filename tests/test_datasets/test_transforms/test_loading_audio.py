import logging
import os
import pickle

import numpy as np
import pytest
import resampy
import soundfile
import torch

from mmicf.datasets.transforms import LoadAudio, LoadLogMel
from mmicf.registry import TRANSFORMS
from mmicf.utils import log_once
from mmicf.utils.audio_file import AudioFileError
from mmicf.utils.safe_pickle import UnsafePickleError


@pytest.fixture
def logged(monkeypatch):
    """Messages of log_once, with nothing seen before."""
    messages = []
    monkeypatch.setattr(log_once, '_SEEN', set())
    monkeypatch.setattr(log_once, 'print_log', lambda message, logger, level: messages.append((level, message)))
    return messages


def _write(path, samples, rate=16000):
    soundfile.write(path, samples, rate)
    return str(path)


def _noise(seconds=1.0, rate=16000, channels=None, seed=0):
    shape = (int(seconds * rate),) if channels is None else (int(seconds * rate), channels)
    return np.random.default_rng(seed).integers(-12000, 12000, shape).astype(np.int16)


def _clip(*paths, positions=None):
    positions = positions or [None] * len(paths)
    return {'clip_id': 'c', 'num_frames': 1,
            'audio': [{'path': path, 'position': p} for path, p in zip(paths, positions, strict=True)]}


def test_mono_is_the_mean_over_channels_then_resampled(tmp_path):
    samples = _noise(rate=44100, channels=2)
    results = LoadAudio()(_clip(_write(tmp_path / 'a.wav', samples, 44100)))
    expected = resampy.resample((samples / 32768).mean(1), 44100, 16000)
    assert results['sample_rate'] == 16000 and results['waveform'].dtype == np.float32
    assert results['waveform'].shape == (1, 16000)
    assert np.abs(results['waveform'][0] - expected).max() < 4e-4


def test_without_sample_rate_the_file_is_untouched(tmp_path):
    samples = _noise(rate=22050)
    results = TRANSFORMS.build({'type': 'LoadAudio', 'sample_rate': None})(
        _clip(_write(tmp_path / 'a.wav', samples, 22050)))
    assert results['sample_rate'] == 22050
    np.testing.assert_array_equal(results['waveform'], samples[None].astype(np.float64) / 32768)


def test_stereo_rules(tmp_path):
    two, one = _noise(channels=2), _noise(seed=1)
    two_path, one_path = _write(tmp_path / 'two.wav', two), _write(tmp_path / 'one.wav', one)
    load = LoadAudio(mono=False)
    np.testing.assert_allclose(load(_clip(two_path))['waveform'], two.T / 32768, atol=1e-7)
    np.testing.assert_allclose(load(_clip(one_path))['waveform'], np.stack([one, one]) / 32768, atol=1e-7)
    panned = load(_clip(two_path, positions=[0.25]))['waveform']
    w = two.mean(1) / 32768
    np.testing.assert_allclose(panned, np.stack([0.75 * w, 0.25 * w]), atol=1e-6)
    mixed = load(_clip(two_path, one_path, positions=[1.0, 0.0]))['waveform']
    np.testing.assert_allclose(mixed, np.stack([one / 32768, w]), atol=1e-6)


def test_mono_ignores_positions_and_sums_sources(tmp_path):
    a, b = _noise(), _noise(seed=1)
    paths = _write(tmp_path / 'a.wav', a), _write(tmp_path / 'b.wav', b)
    waveform = LoadAudio()(_clip(*paths, positions=[0.1, 0.9]))['waveform']
    np.testing.assert_allclose(waveform[0], (a / 32768 + b / 32768), atol=1e-6)


def test_duration_centres_long_and_tiles_short_sources(tmp_path):
    long, short = _noise(5), _noise(1.25, seed=1)
    paths = _write(tmp_path / 'long.wav', long), _write(tmp_path / 'short.wav', short)
    load = LoadAudio(duration=3.0)
    np.testing.assert_allclose(load(_clip(paths[0]))['waveform'][0], long[16000:64000] / 32768, atol=1e-7)
    tiled = np.concatenate([short, short, short])[:48000] / 32768
    np.testing.assert_allclose(load(_clip(paths[1]))['waveform'][0], tiled, atol=1e-7)
    both = load(_clip(*paths))['waveform'][0]
    np.testing.assert_allclose(both, long[16000:64000] / 32768 + tiled, atol=1e-6)


def test_silence_is_used_and_logged_once(tmp_path, logged):
    path = _write(tmp_path / 'silent.wav', np.zeros(16000, np.int16))
    for _ in range(3):
        results = LoadAudio()(_clip(path))
    assert results['waveform'].shape == (1, 16000) and not results['waveform'].any()
    assert len(logged) == 1 and logged[0][0] == logging.WARNING and 'silent.wav: silent' in logged[0][1]


def test_faulty_files_are_named(tmp_path):
    whole = _write(tmp_path / 'a.wav', _noise())
    cut = tmp_path / 'cut.wav'
    cut.write_bytes((tmp_path / 'a.wav').read_bytes()[:9000])
    soundfile.write(tmp_path / 'nan.wav', np.full(100, np.nan), 16000, subtype='FLOAT')
    with pytest.raises(FileNotFoundError, match=r'absent\.wav: no such audio file'):
        LoadAudio()(_clip(str(tmp_path / 'absent.wav')))
    with pytest.raises(AudioFileError, match=r'cut\.wav: truncated'):
        LoadAudio()(_clip(whole, str(cut)))
    with pytest.raises(AudioFileError, match=r'nan\.wav: 100 of 100 samples are NaN'):
        LoadAudio()(_clip(str(tmp_path / 'nan.wav')))


def test_sources_that_cannot_be_added(tmp_path):
    a, b = _write(tmp_path / 'a.wav', _noise(1)), _write(tmp_path / 'b.wav', _noise(2))
    c = _write(tmp_path / 'c.wav', _noise(2, rate=8000), 8000)
    with pytest.raises(AudioFileError, match=r'b\.wav: 32000 samples .* 16000 samples .*a\.wav; set .* duration'):
        LoadAudio()(_clip(a, b))
    with pytest.raises(AudioFileError, match=r'c\.wav: 16000 samples at 8000 Hz cannot be added .* 16000 Hz'):
        LoadAudio(sample_rate=None)(_clip(a, c))


def test_wrong_use(tmp_path):
    path = _write(tmp_path / 'six.wav', _noise(channels=6))
    with pytest.raises(AudioFileError, match=r'six\.wav: 6 channels; expected 1 or 2'):
        LoadAudio(mono=False)(_clip(path))
    assert LoadAudio()(_clip(path))['waveform'].shape == (1, 16000)
    with pytest.raises(ValueError, match=r'six\.wav: position 1\.5 lies outside'):
        LoadAudio(mono=False)(_clip(path, positions=[1.5]))
    with pytest.raises(ValueError, match="clip 'c' names no audio file"):
        LoadAudio()(_clip())
    with pytest.raises(ValueError, match='sample_rate'):
        LoadAudio(sample_rate=0)
    with pytest.raises(ValueError, match='duration'):
        LoadAudio(duration=-1.0)


def _log_mel(n=5):
    return np.random.default_rng(0).uniform(-4.6, 3, (n, 1, 96, 64)).astype(np.float32)


def _stored(path, log_mel):
    if path.suffix == '.npy':
        np.save(path, log_mel)
    else:
        path.write_bytes(pickle.dumps(torch.tensor(log_mel, requires_grad=log_mel.dtype.kind == 'f')))
    return {'clip_id': 'c', 'log_mel_path': str(path), 'num_frames': 5}


@pytest.mark.parametrize('suffix', ['npy', 'pkl'])
def test_log_mel_is_read_cut_and_filled_up(tmp_path, suffix, logged):
    path = tmp_path / f'a.{suffix}'
    load, log_mel = LoadLogMel(), _log_mel(10)
    np.testing.assert_array_equal(load(_stored(path, log_mel[:5]))['log_mel'], log_mel[:5])
    np.testing.assert_array_equal(load(_stored(path, log_mel.astype(np.float64)))['log_mel'], log_mel[:5])
    assert not logged
    filled = load(_stored(path, log_mel[:4]))['log_mel']
    np.testing.assert_array_equal(filled, log_mel[[0, 1, 2, 3, 3]])
    assert f'a.{suffix}: 4 log-mel examples for 5 frames' in logged[0][1]
    with pytest.raises(ValueError, match=rf'a\.{suffix}: 3 log-mel examples .* expected 5'):
        load(_stored(path, log_mel[:3]))
    with pytest.raises(ValueError, match=rf'a\.{suffix}: 4 log-mel examples .* expected 5'):
        LoadLogMel(pad=None)(_stored(path, log_mel[:4]))


@pytest.mark.parametrize('suffix', ['npy', 'pkl'])
@pytest.mark.parametrize('log_mel, found', [
    (_log_mel()[:, 0], r'float32 \(5, 96, 64\)'), (_log_mel().swapaxes(2, 3), r'float32 \(5, 1, 64, 96\)'),
    (np.zeros((5, 1, 96, 64), np.int64), r'int64 \(5, 1, 96, 64\)'),
], ids=['dimensions', 'transposed', 'integers'])
def test_log_mel_of_another_form_is_refused(tmp_path, suffix, log_mel, found):
    with pytest.raises(ValueError, match=rf'a\.{suffix}: found {found}; expected float32'):
        LoadLogMel()(_stored(tmp_path / f'a.{suffix}', log_mel))


def test_log_mel_with_nan(tmp_path):
    log_mel = _log_mel()
    log_mel[2, 0, 3] = np.nan
    with pytest.raises(ValueError, match=r'a\.npy: 64 of 30720 values are NaN'):
        LoadLogMel()(_stored(tmp_path / 'a.npy', log_mel))


def test_log_mel_of_another_front_end_is_logged(tmp_path, logged):
    """AVSBench-Robust's decibel spectrograms: minus 100 for silence."""
    LoadLogMel()(_stored(tmp_path / 'a.npy', np.full((5, 1, 96, 64), -100, np.float32)))
    assert 'a.npy: values down to -100.00' in logged[0][1]


class _Shell:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def test_log_mel_files_never_run_code(tmp_path):
    proof = tmp_path / 'ran'
    np.save(tmp_path / 'a.npy', np.array([_Shell(proof)], dtype=object), allow_pickle=True)
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(_Shell(proof)))
    info = {'clip_id': 'c', 'num_frames': 5}
    with pytest.raises(UnsafePickleError, match=r'a\.pkl: refused'):
        LoadLogMel()({**info, 'log_mel_path': str(tmp_path / 'a.pkl')})
    with pytest.raises(ValueError, match=r'a\.npy: not a readable \.npy array'):
        LoadLogMel()({**info, 'log_mel_path': str(tmp_path / 'a.npy')})
    assert not proof.exists()


def test_missing_log_mel(tmp_path):
    info = {'clip_id': 'c', 'num_frames': 5}
    with pytest.raises(FileNotFoundError, match=r'absent\.npy: no such log-mel file'):
        LoadLogMel()({**info, 'log_mel_path': str(tmp_path / 'absent.npy')})
    with pytest.raises(ValueError, match=r"clip 'c' has no stored log-mel; .*audio_to_logmel\.py"):
        LoadLogMel()({**info, 'log_mel_path': None})
    (tmp_path / 'a.wav').write_bytes(b'x')
    with pytest.raises(ValueError, match=r'a\.wav: log-mel files end in \.npy or \.pkl'):
        LoadLogMel()({**info, 'log_mel_path': str(tmp_path / 'a.wav')})
    (tmp_path / 'cut.npy').write_bytes(b'\x93NUMPY')
    with pytest.raises(ValueError, match=r'cut\.npy: not a readable \.npy array'):
        LoadLogMel()({**info, 'log_mel_path': str(tmp_path / 'cut.npy')})
