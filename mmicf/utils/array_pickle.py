"""Reading a pickled dict of numpy arrays without running code from the file.

Detectron2 publishes its weights so: ``{'model': {name: array}, '__author__': ...}``, plain pickles that Python 2 or 3 and any numpy
wrote. Nothing of numpy reads the file either: its arrays and dtypes take any state, and a dtype's changes the one that all share.
"""
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .safe_pickle import UnsafePickleError, check_opcodes, encode

_DTYPES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'f2', 'f4', 'f8')  # those that torch has
# Extensions are names that need not pass find_class; all other calls and states meet the stand-ins below.
_REFUSED = {'EXT1', 'EXT2', 'EXT4', 'PERSID', 'BINPERSID', 'NEXT_BUFFER'}
_MAX_MEMO = 1_000_000  # an array takes about eight entries


def is_dict_pickle(path: str | Path) -> bool:
    """Whether a file starts as a pickle (protocol 2 or higher) of a dict, as no file of ``torch.save`` does."""
    with open(path, 'rb') as file:
        head = file.read(12)
    return head[:1] == b'\x80' and head[11 if head[2:3] == b'\x95' else 2:][:1] == b'}'  # 0x95: nine bytes that tell a length


class _Name:
    """What a name in the file stands for: may be called, and nothing else (a pickle can set attributes of a function)."""
    __slots__ = ('_call',)

    def __init__(self, call: Callable) -> None:
        self._call = call

    def __call__(self, *args):
        return self._call(*args)

    def __setstate__(self, state) -> None:
        raise UnsafePickleError('it sets attributes of a name')


class _DType:
    """Stands for a ``numpy.dtype``; the byte order comes after it."""
    __slots__ = ('code', 'order')

    def __init__(self, code: str, *_) -> None:
        if code not in _DTYPES:
            raise UnsafePickleError(f'it holds an array of dtype {code!r}')
        self.code, self.order = code, '|'

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ('<', '>', '|', '=') or any(part is not None for part in state[2:5]):  # those: parts of a record
            raise UnsafePickleError(f'it holds a dtype with the state {state!r:.80}')
        self.order = state[1]

    def values(self, data: bytes | str) -> np.ndarray:
        """1-D, in the machine's byte order; a copy, as torch wants memory that it may write to."""
        data = encode(data, 'latin1') if isinstance(data, str) else data  # Python 2
        stored = 'u1' if self.code == 'b1' else self.order + self.code
        return np.frombuffer(data, stored).astype(self.code)


class _Array:
    """Stands for an array; its content comes after it. ``tensor`` is that content."""
    __slots__ = ('_take', 'tensor')

    def __init__(self, take: Callable[[bytes | str], None]) -> None:
        self._take, self.tensor = take, None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.fill(dtype, shape, 'F' if fortran else 'C', data)

    def fill(self, dtype: _DType, shape: tuple[int, ...], order: str, data: bytes | str) -> '_Array':
        self._take(data)
        self.tensor = torch.from_numpy(np.ascontiguousarray(dtype.values(data).reshape(shape, order=order)).reshape(shape))
        return self


class _ArrayUnpickler(pickle.Unpickler):

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding='latin1')
        self._left = len(data)
        self._names = {
            ('numpy', 'ndarray'): _Name(_not_called), ('numpy', 'dtype'): _Name(_DType), ('_codecs', 'encode'): _Name(encode),
            ('__builtin__', 'bytes'): _Name(lambda: b''),  # of an empty array under protocol 2
            ('collections', 'OrderedDict'): OrderedDict
        }
        for core in ('numpy.core', 'numpy._core'):  # numpy 1 and 2
            self._names[f'{core}.multiarray', '_reconstruct'] = _Name(lambda *_: _Array(self._take))
            self._names[f'{core}.multiarray', 'scalar'] = _Name(lambda dtype, data: dtype.values(data)[0].item())
            self._names[f'{core}.numeric', '_frombuffer'] = _Name(
                lambda data, dtype, shape, order: _Array(self._take).fill(dtype, shape, order, data))

    def find_class(self, module: str, name: str):
        try:
            return self._names[module, name]
        except KeyError:
            raise UnsafePickleError(f'it asks for {module}.{name}') from None

    def _take(self, data: bytes | str) -> None:
        """A file that gives the same bytes to many arrays would fill the memory."""
        self._left -= len(data)
        if self._left < 0:
            raise UnsafePickleError('its arrays hold more than the file')


def _not_called(*_):
    raise UnsafePickleError('it calls numpy.ndarray')


def load_array_pickle(path: str | Path) -> dict:
    """A dict with its arrays, also those in dicts directly below it, as tensors on the CPU.

    Raises:
        FileNotFoundError: the file is missing.
        UnsafePickleError: it names anything but numpy's arrays, numbers and dtypes (nothing of it has been run), holds arrays of
            a dtype that torch has not, or is no dict.
        ValueError: it is truncated or no pickle.
    """
    data = Path(path).read_bytes()
    try:
        check_opcodes(data, refused=_REFUSED, max_memo=_MAX_MEMO)
        content = _ArrayUnpickler(data).load()
        if not isinstance(content, dict):
            raise UnsafePickleError(f'it holds a {type(content).__name__}')
        return {key: _tensors(value) if isinstance(value, dict) else _tensor(value) for key, value in dict.items(content)}
    except UnsafePickleError as error:
        raise UnsafePickleError(f'{path}: refused, {error}; expected a pickle of a dict of plain arrays') from None
    except Exception as error:  # a broken pickle raises nearly any exception type
        raise ValueError(f'{path}: not a readable pickle of a dict of arrays ({type(error).__name__}: {error})') from error


def _tensors(part: dict) -> dict:
    return {key: _tensor(value) for key, value in dict.items(part)}


def _tensor(value):
    if not isinstance(value, _Array):
        return value
    if value.tensor is None:
        raise ValueError('an array without its content')
    return value.tensor
