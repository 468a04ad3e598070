"""Loading a published checkpoint with every key accounted for.

mmengine's loader only warns about keys that do not fit, so the checkpoint of another model would pass unnoticed.
"""
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.model import update_init_info
from torch import Tensor, nn

from .array_pickle import is_dict_pickle, load_array_pickle


class CheckpointMismatchError(ValueError):
    """The checkpoint belongs to another model."""


def _numpy_scalars() -> list:
    """Globals that scalar metrics saved beside the weights need; plain data, nothing of it is callable code."""
    scalar = type(np.float64(0)).__reduce__(np.float64(0))[0]
    dtypes = [type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'bool')]
    return [*(known_as(f'numpy.{core}.multiarray.scalar', scalar) for core in ('core', '_core')), np.dtype, *dtypes]


def known_as(name: str, function: Callable) -> Callable:
    """A safe global for torch.load that stands for ``name`` in the file; torch before 2.6 takes no pair of both."""

    def call(*args):
        return function(*args)

    call.__module__, _, call.__name__ = name.rpartition('.')
    call.__qualname__ = call.__name__
    return call


def read_checkpoint(path: str | Path, *, published: str) -> dict:
    """The content of a ``torch.save`` file or a pickled dict of numpy arrays, on the CPU, read without running code from it.

    Args:
        path: the file.
        published: name of the published file and where to get it, for the error message.

    Raises:
        FileNotFoundError: the file is missing; the message tells ``published``.
        CheckpointMismatchError: it cannot be read as plain weights, or is not a dict.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint at {path}; expected {published}')
    try:
        if is_dict_pickle(path):  # detectron2's
            return load_array_pickle(path)
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch.load raises many types for a file that is no checkpoint
        reason = str(error).splitlines()[0].removeprefix(f'{path}: ')
        raise CheckpointMismatchError(f'{path}: not readable as plain weights ({type(error).__name__}: {reason}); '
                                      f'expected {published}') from error
    if not isinstance(content, dict):
        raise CheckpointMismatchError(f'{path}: holds a {type(content).__name__}; expected {published}')
    return content


def some_names(names: list[str]) -> str:
    """The first five of them."""
    return f'{", ".join(names[:5])}{", ..." if len(names) > 5 else ""}'


def load_strict(module: nn.Module, state: Mapping[str, Tensor], *, path: str | Path, published: str) -> None:
    """Copy ``state`` into ``module``; every name and shape must agree, else nothing is copied.

    Raises:
        CheckpointMismatchError: names the file, the missing and unexpected keys and the shapes that differ.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    shapes = [f'{name}: found {tuple(state[name].shape)}, expected {tuple(value.shape)}' for name, value in own.items()
              if isinstance(state.get(name), Tensor) and state[name].shape != value.shape]
    other = [name for name in own if name in state and not isinstance(state[name], Tensor)]
    found = {'missing keys': missing, 'unexpected keys': unexpected, 'not tensors': other, 'other shapes': shapes}
    problems = [f'{what}: {len(names)} ({some_names(names)})' for what, names in found.items() if names]
    if problems:
        raise CheckpointMismatchError(f'{path} does not fit {type(module).__name__}: {"; ".join(problems)}. '
                                      f'Expected {published}')
    module.load_state_dict(state, strict=True)
    if hasattr(module, '_params_init_info'):  # mmengine's table of where each weight comes from, while it initialises
        update_init_info(module, init_info=f'Loaded from {path}')
