"""Broken and hostile pickles: a tensor, or a named refusal, and never a call of what the file names."""
import builtins
import codecs
import copyreg
import io
import os
import pickle
import struct
import subprocess
from collections import OrderedDict

import numpy as np
import pytest
import torch
from broken_files import Watch, bounded, damaged, read_or_refuse
from hypothesis import given
from hypothesis import strategies as st

from mmicf.datasets.transforms.loading_audio import read_log_mel
from mmicf.utils.array_pickle import load_array_pickle
from mmicf.utils.safe_pickle import UnsafePickleError, load_tensor_pickle

SMALL = torch.arange(6.).reshape(2, 3)
ARRAYS = {'model': {'w': SMALL.numpy(), 'n': np.array(3), 'f': np.asfortranarray(SMALL.numpy())}, 'best': np.float64(0.5)}
LOG_MEL = torch.zeros(2, 1, 96, 64)
EXTENSION = 0xF0


@pytest.fixture(scope='module')
def watch(tmp_path_factory):
    """Sees programs, compiled code and written files; what torch imports at its first load is done before."""
    path = tmp_path_factory.mktemp('warm') / 'a.pkl'
    codecs.lookup('raw_unicode_escape')
    for protocol in range(6):
        path.write_bytes(pickle.dumps(SMALL, protocol))
        assert torch.equal(load_tensor_pickle(path), SMALL)
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(ARRAYS, protocol))
        assert torch.equal(load_array_pickle(path)['model']['w'], SMALL)
    return Watch()


@pytest.mark.parametrize('protocol', [0, 2, 4, 5])
@bounded(40)
@given(data=st.data())
def test_damaged_tensors(tmp_path, watch, protocol, data):
    path = tmp_path / 'small.pkl'
    path.write_bytes(data.draw(damaged(pickle.dumps(SMALL, protocol))))
    with watch:
        tensor = read_or_refuse(load_tensor_pickle, path)
    assert not watch.seen
    if tensor is not None:
        assert type(tensor) is torch.Tensor and tensor.numel() <= 6 * 8 and tensor.device.type == 'cpu'
        assert np.asarray(tensor.numpy()).shape == tuple(tensor.shape)


@pytest.mark.parametrize('protocol', [2, 4, 5])
@bounded(40)
@given(data=st.data())
def test_damaged_arrays(tmp_path, watch, protocol, data):
    path = tmp_path / 'small.pkl'
    path.write_bytes(data.draw(damaged(pickle.dumps(ARRAYS, protocol))))
    with watch:
        content = read_or_refuse(load_array_pickle, path)
    assert not watch.seen
    if content is not None:
        parts = [part for part in (content, *content.values()) if isinstance(part, dict)]
        tensors = [value for part in parts for value in part.values() if isinstance(value, torch.Tensor)]
        assert sum(value.numel() * value.element_size() for value in tensors) <= path.stat().st_size


@bounded(40)
@given(data=st.data())
def test_damaged_log_mels(tmp_path, watch, data):
    path = tmp_path / 'clip.pkl'
    path.write_bytes(data.draw(damaged(pickle.dumps(LOG_MEL))))
    with watch:
        log_mel = read_or_refuse(read_log_mel, path)
    assert not watch.seen
    if log_mel is not None:
        assert log_mel.dtype == np.float32 and log_mel.shape[1:] == (1, 96, 64) and np.isfinite(log_mel).all()


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Stateful:
    """Pickles as a harmless object whose state makes the call."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return OrderedDict, (), {'x': self.call}


def torch_file(value, *, zipped):
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


class _Persistent(pickle.Pickler):
    """Puts every Call behind a persistent id whose value is the call."""

    def persistent_id(self, value):
        return ('storage', value.function, value.arguments) if isinstance(value, Call) else None


def persistent(value, protocol):
    file = io.BytesIO()
    _Persistent(file, max(protocol, 1)).dump(value)
    return file.getvalue()


def by_extension(value, protocol):
    """The function named by a number that copyreg knows, not by its name."""
    copyreg.add_extension(value.function.__module__, value.function.__qualname__, EXTENSION)
    try:
        return pickle.dumps(value, max(protocol, 2))
    finally:
        copyreg.remove_extension(value.function.__module__, value.function.__qualname__, EXTENSION)


CALLS = {
    'os.system': lambda proof: Call(os.system, f'touch {proof}'),
    'eval': lambda proof: Call(eval, f"open({proof!r}, 'w').close()"),
    'exec': lambda proof: Call(exec, f"open({proof!r}, 'w').close()"),
    'open': lambda proof: Call(builtins.open, proof, 'w'),
    'Popen': lambda proof: Call(subprocess.call, ['touch', proof]),
    'reduce in reduce': lambda proof: Call(os.mkdir, Call(eval, repr(proof))),
    'map': lambda proof: Call(list, Call(map, os.mkdir, [proof])),
}
HIDDEN = {
    'bare': pickle.dumps,
    'in a list': lambda call, protocol: pickle.dumps([1, {'a': (call,)}], protocol),
    'as hooks': lambda call, protocol: pickle.dumps(OrderedDict(a=call), protocol),
    'as state': lambda call, protocol: pickle.dumps(Stateful(call), protocol),
    'behind a tensor': lambda call, protocol: pickle.dumps((SMALL, call), protocol),
    'as an argument of an allowed name': lambda call, protocol: pickle.dumps(
        Call(torch._utils._rebuild_tensor_v2, call, 0, (1,), (1,), False, OrderedDict()), protocol),
    'as storage bytes': lambda call, protocol: pickle.dumps(
        Call(torch.storage._load_from_bytes, torch_file(call, zipped=False)), protocol),
    'as zipped storage bytes': lambda call, protocol: pickle.dumps(
        Call(torch.storage._load_from_bytes, torch_file([call], zipped=True)), protocol),
    'two storages deep': lambda call, protocol: pickle.dumps(Call(torch.storage._load_from_bytes, torch_file(
        Call(torch.storage._load_from_bytes, torch_file(call, zipped=False)), zipped=False)), protocol),
    'as a tensor type': lambda call, protocol: pickle.dumps(
        Call(torch._tensor._rebuild_from_type_v2, call.function, torch.Tensor, call.arguments, {}), protocol),
}


@bounded(60)
@given(call=st.sampled_from(sorted(CALLS)), hiding=st.sampled_from(sorted(HIDDEN)), protocol=st.integers(0, 5))
def test_hostile_pickles_run_nothing(tmp_path, watch, call, hiding, protocol):
    proof, path = tmp_path / 'ran', tmp_path / 'hostile.pkl'
    path.write_bytes(HIDDEN[hiding](CALLS[call](str(proof)), protocol))
    with watch, pytest.raises(UnsafePickleError if 'storage' not in hiding else ValueError, match=r'hostile\.pkl'):
        load_tensor_pickle(path)
    assert not watch.seen and not proof.exists()


@pytest.mark.parametrize('call', CALLS)
def test_the_hostile_pickles_work_with_the_plain_loader(tmp_path, watch, call):
    """What the tests above show is owed to our reader."""
    proof = tmp_path / 'ran'
    data = pickle.dumps(CALLS[call](str(proof)))
    with Watch() as seen:
        pickle.loads(data)
    assert seen.seen and proof.exists()


@pytest.mark.parametrize('call', ['os.system', 'eval'])
@pytest.mark.parametrize('write', [persistent, by_extension])
def test_names_from_outside_of_the_file(tmp_path, watch, call, write):
    proof, path = tmp_path / 'ran', tmp_path / 'hostile.pkl'
    data = write(CALLS[call](str(proof)), 2)
    path.write_bytes(data)
    with watch, pytest.raises(UnsafePickleError, match=r'hostile\.pkl: refused'):
        load_tensor_pickle(path)
    assert not watch.seen and not proof.exists()


@pytest.mark.parametrize('data', [
    pytest.param(b'(S"touch PROOF"\nios\nsystem\n.', id='INST'),
    pytest.param(b'(cos\nsystem\nS"touch PROOF"\no.', id='OBJ'),
    pytest.param(b'cos\nsystem\n(S"touch PROOF"\ntR.', id='GLOBAL'),
    pytest.param(b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0btouch PROOF\x85R.', id='STACK_GLOBAL'),
    pytest.param(b'\x80\x04\x8c\x0dtorch.storage\x8c\x09os.system\x93\x8c\x0btouch PROOF\x85R.', id='dotted'),
    pytest.param(b'\x80\x02c_codecs\nencode\n}(U\x01xcos\nsystem\nsb.', id='BUILD'),
    pytest.param(b'Pos.system\n.', id='PERSID')])
def test_opcodes_by_hand(tmp_path, watch, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'hostile.pkl').write_bytes(data)
    with watch, pytest.raises(UnsafePickleError, match=r'hostile\.pkl: refused'):
        load_tensor_pickle(tmp_path / 'hostile.pkl')
    assert not watch.seen and not (tmp_path / 'PROOF').exists()


@pytest.mark.parametrize('opcode', [b'r' + struct.pack('<I', 0xFFFFFFF0), b'p4294967280\n'])
def test_memo_numbers_claim_no_memory(tmp_path, opcode):
    """Python would make room for four thousand million objects."""
    (tmp_path / 'bomb.pkl').write_bytes(b'\x80\x02N' + opcode + b'.')
    with pytest.raises(UnsafePickleError, match=r'bomb\.pkl: refused, it numbers an object 4294967280'):
        load_tensor_pickle(tmp_path / 'bomb.pkl')


@pytest.mark.parametrize('value', [torch.eye(3).to_sparse(), torch.empty(3, device='meta'), torch.ones(3), [SMALL]])
def test_storage_bytes_that_are_no_storage(tmp_path, value):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps(Call(torch.storage._load_from_bytes, torch_file(value, zipped=True))))
    with pytest.raises(UnsafePickleError, match=r'a\.pkl: refused, it holds a \w+ in the place of a storage'):
        load_tensor_pickle(path)
