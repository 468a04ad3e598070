import contextlib
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mmicf.utils.array_pickle import is_dict_pickle, load_array_pickle
from mmicf.utils.safe_pickle import UnsafePickleError

ARRAYS = {
    'a.weight': np.arange(6, dtype='f4').reshape(2, 3), 'turned': np.asfortranarray(np.arange(6, dtype='f8').reshape(2, 3)),
    'half': np.ones((1, 2, 1), 'f2'), 'big end': np.arange(3, dtype='>i4'), 'count': np.array(7), 'none': np.zeros((0, 3), 'f4'),
    'mask': np.array([True, False]), 'bytes': np.arange(4, dtype='u1')[::2],
}
# What numpy 1.16 wrote under Python 2 with protocol 2: names of numpy 1, byte strings.
PYTHON_2 = (b'\x80\x02}q\x00U\x01wq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04'
            b'(K\x01K\x02\x85cnumpy\ndtype\nq\x05U\x02f4K\x00K\x01\x87Rq\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb'
            b'\x89U\x08\x00\x00\x80?\x00\x00\x20\xc0tbs.')


class Call:

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write(path, value, protocol=2, core=None):
    data = value if isinstance(value, bytes) else pickle.dumps(value, protocol)
    if core is not None:
        assert protocol == 2 and b'core.multiarray\n' in data
        for name in (b'numpy.core.', b'numpy._core.'):
            data = data.replace(name, core)
    path.write_bytes(data)
    return path


def same(found, expected):
    return torch.equal(found, torch.from_numpy(np.array(expected, dtype=expected.dtype.newbyteorder('='))))


@pytest.mark.parametrize('protocol, core', [(2, b'numpy.core.'), (2, b'numpy._core.'), (3, None), (4, None), (5, None)])
def test_arrays_become_tensors(tmp_path, protocol, core):
    content = {'model': OrderedDict(ARRAYS), '__author__': 'x', 'bare': ARRAYS['a.weight'], 'matching_heuristics': True,
               'best': np.float64(0.5), 'iteration': np.int64(3)}
    content['model']._metadata = OrderedDict({'': dict(version=1)})  # as a module's state_dict has it
    path = write(tmp_path / 'a.pkl', content, protocol, core)
    assert is_dict_pickle(path)
    loaded = load_array_pickle(path)
    assert list(loaded) == list(content) and list(loaded['model']) == list(ARRAYS)
    assert all(same(loaded['model'][name], array) for name, array in ARRAYS.items())
    assert [loaded[key] for key in ('__author__', 'matching_heuristics', 'best', 'iteration')] == ['x', True, 0.5, 3]
    loaded['model']['a.weight'] += 1
    assert same(loaded['bare'], ARRAYS['a.weight'] + 1)  # one array of the file is one tensor, and may be written to


def test_pickles_of_python_2(tmp_path):
    loaded = load_array_pickle(write(tmp_path / 'a.pkl', PYTHON_2))
    assert list(loaded) == ['w'] and loaded['w'].tolist() == [1, -2.5]


def test_files_of_torch_are_no_dict_pickles(tmp_path):
    for zipped in (True, False):
        torch.save({'a': torch.ones(2)}, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
        assert not is_dict_pickle(tmp_path / 'a.pth')
    for data in (b'', b'\x80', b'{}', pickle.dumps([1])):
        assert not is_dict_pickle(write(tmp_path / 'b.pkl', data))


@pytest.mark.parametrize('where', ['model', 'key', 'shape', 'scalar', 'state'])
@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_code_is_refused_and_not_run(tmp_path, where, protocol):
    proof = tmp_path / 'ran'
    call = Call(os.mkdir, str(proof))
    rebuild, scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    stateful = type('Stateful', (), {'__reduce__': lambda self: (OrderedDict, (), {'x': call})})
    content = {'model': {'w': call}, 'key': {call: 1}, 'shape': {'w': Call(rebuild, np.ndarray, call, b'b')},
               'scalar': {'w': Call(scalar, np.dtype('f4'), call)}, 'state': {'w': stateful()}}[where]
    path = write(tmp_path / 'evil.pkl', {**ARRAYS, 'evil': content}, protocol)
    with pytest.raises(UnsafePickleError, match=r'evil\.pkl: refused, it asks for posix\.mkdir; expected a pickle of a dict'):
        load_array_pickle(path)
    assert not proof.exists()
    with contextlib.suppress(TypeError):  # the attack works with the plain loader, whatever it makes of the call's None
        pickle.loads(path.read_bytes())
    assert proof.exists()


@pytest.mark.parametrize('value, found', [
    ({'w': np.array([print], dtype=object)}, "an array of dtype 'O8'"), ({'w': np.array(['text'])}, "an array of dtype 'U4'"),
    ({'w': np.zeros(2, 'c8')}, "an array of dtype 'c8'"), ({'w': torch.zeros(2)}, 'it asks for torch._utils._rebuild_tensor_v2'),
    ({'w': Call(np.ndarray, (10**9, ))}, 'it calls numpy.ndarray'), ({'w': np.load}, 'it asks for numpy.load'),
    (b'\x80\x02}U\x01acnumpy\ndtype\nN}U\x05_callK\x01s\x86bs.', 'it sets attributes of a name'),
    (b'\x80\x02}U\x01acnumpy\ndtype\nU\x02f4\x85R(K\x03U\x01<U\x01xNNtbs.', 'it holds a dtype with the state'),
    (b'\x80\x02}U\x01a\x82\xf0s.', 'it uses EXT1'), (b'\x80\x02}U\x01aPos.system\ns.', 'it uses PERSID'),
    (b'\x80\x02}r\xf0\xff\xff\xff.', 'it numbers an object 4294967280'),
    (b'\x80\x04}\x8c\x01a\x8c\x05numpy\x8c\x09ndarray.T\x93s.', r'it asks for numpy.ndarray.T')])
def test_other_content_is_refused(tmp_path, value, found):
    with pytest.raises(UnsafePickleError, match=rf'a\.pkl: refused, .*{found}'):
        load_array_pickle(write(tmp_path / 'a.pkl', value))


def test_few_bytes_do_not_become_many_arrays(tmp_path):
    shared = bytes(4000)

    class Array:

        def __reduce__(self):
            rebuild, arguments, _ = np.zeros(0).__reduce__()
            return rebuild, arguments, (1, (1000, ), np.dtype('f4'), False, shared)

    with pytest.raises(UnsafePickleError, match=r'a\.pkl: refused, its arrays hold more than the file'):
        load_array_pickle(write(tmp_path / 'a.pkl', {str(i): Array() for i in range(50)}, 4))


def test_broken_files(tmp_path):
    whole = pickle.dumps(ARRAYS, 2)
    shape = whole.replace(b'K\x02K\x03\x86', b'K\x02K\x04\x86', 1)
    assert shape != whole
    for name, data in (('cut.pkl', whole[:-100]), ('empty.pkl', b''), ('shape.pkl', shape),
                       ('bare.pkl', pickle.dumps({'w': Call(*np.zeros(0).__reduce__()[:2])}, 2))):
        with pytest.raises(ValueError, match=rf'{name}: not a readable pickle of a dict of arrays'):
            load_array_pickle(write(tmp_path / name, data))
    with pytest.raises(UnsafePickleError, match='it holds a list'):
        load_array_pickle(write(tmp_path / 'a.pkl', [1]))
    with pytest.raises(FileNotFoundError, match=r'absent\.pkl'):
        load_array_pickle(tmp_path / 'absent.pkl')
