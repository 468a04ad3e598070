import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mmicf.utils.safe_pickle import UnsafePickleError, load_tensor_pickle


class _Shell:
    """Pickles as a call of os.system that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class _NestedShell:
    """Hides the call inside the storage bytes, which torch's own loader would unpickle in full."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        file = io.BytesIO()
        torch.save(_Shell(self.path), file, _use_new_zipfile_serialization=False)
        return torch.storage._load_from_bytes, (file.getvalue(),)


def _write(path, value, protocol=None):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize('protocol', [2, 4, 5])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.int64])
def test_plain_tensors_are_read(tmp_path, protocol, dtype):
    tensor = (torch.randn(5, 1, 96, 64) * 10).to(dtype)
    assert torch.equal(load_tensor_pickle(_write(tmp_path / 'a.pkl', tensor, protocol)), tensor)


def test_official_files_require_grad_and_may_be_views(tmp_path):
    base = torch.randn(10, 1, 96, 64, requires_grad=True)
    loaded = load_tensor_pickle(_write(tmp_path / 'a.pkl', base[::2]))
    assert not loaded.requires_grad and torch.equal(loaded, base[::2])


@pytest.mark.parametrize('attack', [_Shell, _NestedShell])
def test_code_is_refused_and_not_run(tmp_path, attack):
    proof = tmp_path / 'ran'
    path = _write(tmp_path / 'evil.pkl', attack(proof))
    pickle.loads(path.read_bytes())  # the attack works with the plain loader
    assert proof.exists()
    proof.unlink()
    with pytest.raises(ValueError, match=r'evil\.pkl'):
        load_tensor_pickle(path)
    assert not proof.exists()


def test_refusal_names_the_global(tmp_path):
    with pytest.raises(UnsafePickleError, match=r'evil\.pkl: refused, it asks for posix\.system'):
        load_tensor_pickle(_write(tmp_path / 'evil.pkl', _Shell(tmp_path / 'ran')))


def test_dotted_names_do_not_reach_attributes_of_allowed_modules(tmp_path):
    # protocol 4 resolves 'a.b' by attribute access: torch.storage.io.open would reach the builtin
    attack = b'\x80\x04\x8c\x0dtorch.storage\x8c\x07io.open\x93.'
    (tmp_path / 'evil.pkl').write_bytes(attack)
    assert pickle.loads(attack) is open
    with pytest.raises(UnsafePickleError, match=r'torch\.storage\.io\.open'):
        load_tensor_pickle(tmp_path / 'evil.pkl')


@pytest.mark.parametrize('value, found', [
    ([1, 2], 'holds a list'), (OrderedDict(), 'holds a OrderedDict'), ({'x': torch.zeros(2)}, 'holds a dict'),
    (np.zeros(3), 'refused, it asks for numpy'), (torch.nn.Parameter(torch.zeros(2)), 'refused'),
])
def test_other_content_is_refused(tmp_path, value, found):
    with pytest.raises(UnsafePickleError, match=rf'a\.pkl: {found}'):
        load_tensor_pickle(_write(tmp_path / 'a.pkl', value))


def test_truncated_and_foreign_files(tmp_path):
    whole = pickle.dumps(torch.randn(5, 1, 96, 64))
    for name, data in (('cut.pkl', whole[:1000]), ('empty.pkl', b''), ('text.pkl', b'no pickle at all')):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=rf'{name}: not a readable pickle'):
            load_tensor_pickle(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r'absent\.pkl'):
        load_tensor_pickle(tmp_path / 'absent.pkl')


def test_sizes_beyond_the_storage_are_refused(tmp_path):
    """A forged shape must not give values that the file does not hold."""
    class Forged:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (torch.zeros(4).storage(), 0, (100,), (1,), False, OrderedDict())

    with pytest.raises(ValueError, match=r'a\.pkl: .*\(100,\) does not fit its storage'):
        load_tensor_pickle(_write(tmp_path / 'a.pkl', Forged()))
