"""Broken npy and npz files, and waveforms of any kind in the log-mel front end."""
import io
import zipfile

import numpy as np
import pytest
from broken_files import bounded, damaged, read_or_refuse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mmicf.datasets.transforms.loading_anchors import LoadAnchors
from mmicf.datasets.transforms.loading_audio import read_log_mel
from mmicf.utils.log_mel import num_examples, vggish_log_mel


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def npz(**content):
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def header(text):
    """An npy file of version 1 with a header written by hand."""
    text = text.encode('latin1') + b'\n'
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 96, 640000000000)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1, 96, 64)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': False}", "__import__('os').system('touch ran')", '(' * 5000, "{'descr':", '[1, 2', '']


def log_mel_or_refusal(path):
    log_mel = read_or_refuse(read_log_mel, path)
    if log_mel is not None:
        assert log_mel.dtype == np.float32 and log_mel.shape[1:] == (1, 96, 64) and np.isfinite(log_mel).all()
    return log_mel


@bounded(80)
@given(data=st.data())
def test_damaged_npy(tmp_path, data):
    path = tmp_path / 'clip.npy'
    path.write_bytes(data.draw(damaged(npy(np.zeros((2, 1, 96, 64), np.float32)))))
    log_mel_or_refusal(path)


@pytest.mark.parametrize('text', HEADERS)
def test_npy_headers_by_hand(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'clip.npy').write_bytes(header(text) + bytes(4096))
    assert log_mel_or_refusal(tmp_path / 'clip.npy') is None and not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('data', [npz(a=np.zeros(3)), npy(np.array([{}]), allow_pickle=True)])
def test_other_numpy_files_in_the_place_of_npy(tmp_path, data):
    (tmp_path / 'clip.npy').write_bytes(data)
    assert log_mel_or_refusal(tmp_path / 'clip.npy') is None


@bounded(80)
@given(data=st.data())
def test_damaged_npz(tmp_path, data):
    path = tmp_path / 'clip.npz'
    path.write_bytes(data.draw(damaged(npz(image_anchor=np.ones((5, 4), np.float32), audio_anchor=np.zeros((5, 3), np.float32)))))
    results = read_or_refuse(lambda _: LoadAnchors(anchor_dir=str(tmp_path))(dict(clip_id='clip', num_frames=5)), path)
    for name in () if results is None else {'image_anchor', 'audio_anchor'} & results.keys():
        assert results[name].dtype == np.float32 and len(results[name]) == 5 and np.isfinite(results[name]).all()


def test_zip_files_that_are_no_npz(tmp_path):
    path = tmp_path / 'clip.npz'
    for name, content in (('a.txt', b'text'), ('image_anchor.npy', b'no array'), ('image_anchor.npy', npy(np.array([{}])))):
        with zipfile.ZipFile(path, 'w') as file:
            file.writestr(name, content)
        loader = LoadAnchors(anchor_dir=str(tmp_path))
        assert read_or_refuse(lambda _, loader=loader: loader(dict(clip_id='clip', num_frames=1)), path) is None


@bounded(40)
@given(waveform=arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int16, np.float16]),
    st.one_of(st.integers(0, 15599), st.integers(15600, 48000)).map(lambda n: (n,)), fill=st.just(0),
    elements=st.integers(-1, 1)))
def test_log_mel_of_any_waveform(waveform):
    out = vggish_log_mel(waveform)
    assert out.dtype == np.float32 and out.shape == (num_examples(len(waveform)), 1, 96, 64) and np.isfinite(out).all()
    assert out.size == 0 or out.min() >= np.log(0.01) - 1e-5


@pytest.mark.parametrize('shape', [(), (2, 16000), (0, 0), (1, 1, 1)])
def test_log_mel_of_other_shapes(shape):
    with pytest.raises(ValueError, match=r'takes mono samples \(L,\), got shape'):
        vggish_log_mel(np.zeros(shape))
