"""Reading a pickled tensor without running code from the file.

The official log-mel files of AVSBench are plain pickles of a tensor. ``pickle.load`` would call whatever the file
names, so this unpickler knows four names and refuses every other one. The storage bytes inside go through
``torch.load(weights_only=True)``.
"""
import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Container, Set
from pathlib import Path

import torch
from torch import Tensor


class UnsafePickleError(ValueError):
    """The pickle asks for something other than the parts of a plain tensor."""


def _load_storage(data: bytes):
    """What ``torch.storage._load_from_bytes`` stands for in a pickle; the original would unpickle the bytes in full."""
    storage = torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)
    if not isinstance(storage, torch.storage.TypedStorage):  # also other tensors, sparse or without values
        raise UnsafePickleError(f'it holds a {type(storage).__name__} in the place of a storage')
    return storage


def _rebuild_tensor(storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *others) -> Tensor:
    """torch's function, for the values that are in the file: torch would enlarge a storage that is too small."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    negative = min((0, offset, *size, *stride)) < 0
    if negative or not isinstance(storage, torch.storage.TypedStorage) or last >= len(storage):
        raise ValueError(f'shape {tuple(size)} does not fit its storage')
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, *others)


def encode(text: str, encoding: str) -> bytes:
    """How pickles of protocol 2 hold bytes."""
    if encoding != 'latin1':
        raise UnsafePickleError(f'it asks for the codec {encoding!r}')
    return text.encode('latin1')


_ALLOWED = {
    ('torch._utils', '_rebuild_tensor_v2'): _rebuild_tensor,
    ('torch.storage', '_load_from_bytes'): _load_storage,
    ('_codecs', 'encode'): encode,
    ('collections', 'OrderedDict'): OrderedDict,  # the tensor's (empty) table of backward hooks
}


# What no pickled tensor needs: attributes set on what is there, calls in other words than REDUCE, names from outside.
_REFUSED = {'BUILD', 'INST', 'OBJ', 'NEWOBJ', 'NEWOBJ_EX', 'EXT1', 'EXT2', 'EXT4', 'PERSID', 'BINPERSID', 'NEXT_BUFFER'}
_MAX_MEMO = 10_000  # Python makes room for the highest memo index that a pickle names, up to 64 GB


def check_opcodes(data: bytes, *, refused: Set[str], max_memo: int, allowed: Container[tuple[str, str]] | None = None) -> None:
    """Look through a pickle before it is loaded; with ``allowed`` names, the message tells the first other one.

    Raises:
        UnsafePickleError: it uses an opcode of ``refused``, or numbers an object above ``max_memo``.
        ValueError: it is truncated or no pickle.
    """
    strings, foreign = [], []
    for opcode, argument, _ in pickletools.genops(data):
        if isinstance(argument, str):
            strings.append(argument)
        if opcode.name in ('GLOBAL', 'STACK_GLOBAL'):  # for the message: a name says more than an opcode
            name = argument.split(' ') if argument else strings[-2:]
            foreign += [] if allowed is None or tuple(name) in allowed else ['.'.join(name)]
        if opcode.name in refused:
            raise UnsafePickleError(f'it asks for {foreign[0]}' if foreign else f'it uses {opcode.name}')
        if opcode.name in ('PUT', 'BINPUT', 'LONG_BINPUT') and argument > max_memo:
            raise UnsafePickleError(f'it numbers an object {argument}')


class _TensorUnpickler(pickle.Unpickler):

    def find_class(self, module: str, name: str):
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(f'it asks for {module}.{name}') from None


def load_tensor_pickle(path: str | Path) -> Tensor:
    """The tensor in a pickle file, on the CPU and detached.

    Raises:
        FileNotFoundError: the file is missing.
        UnsafePickleError: it names anything but the parts of a tensor (nothing of it has been run), or is no tensor.
        ValueError: it is truncated or no pickle.
    """
    data = Path(path).read_bytes()
    try:
        check_opcodes(data, refused=_REFUSED, max_memo=_MAX_MEMO, allowed=_ALLOWED)
        value = _TensorUnpickler(io.BytesIO(data)).load()
    except UnsafePickleError as error:
        raise UnsafePickleError(f'{path}: refused, {error}; expected a pickle of one plain tensor') from None
    except Exception as error:  # a broken pickle raises nearly any exception type
        raise ValueError(f'{path}: not a readable pickle of one tensor ({type(error).__name__}: {error})') from error
    if not isinstance(value, Tensor):
        raise UnsafePickleError(f'{path}: holds a {type(value).__name__}; expected one plain tensor')
    return value.detach()
