"""Checkpoints of runs and of published backbones: read without running code, every key accounted for."""
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from .strict_loading import CheckpointMismatchError, known_as, load_strict, read_checkpoint

_RUN_FILE = 'a checkpoint saved by tools/train.py or a plain state_dict'


def _history_method(owner: type, name: str) -> Callable:
    """Stands for the ``getattr`` that a pickled HistoryBuffer asks for; the real one would reach any attribute."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise ValueError(f'checkpoint asks for attribute {name} of {owner}')
    return getattr(owner, name)


def _run_globals() -> list:
    """What mmengine writes beside the weights: logged numbers, numpy metainfo, slices. Nothing of it is code."""
    rebuild = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in np.typecodes['AllInteger'] + np.typecodes['Float'] + '?'}
    numpy_1_and_2 = [known_as(f'numpy.{core}.multiarray.{name}', call) for core in ('core', '_core')
                     for name, call in (('_reconstruct', rebuild), ('scalar', scalar))]
    return [HistoryBuffer, known_as('builtins.getattr', _history_method), slice, np.ndarray, np.dtype, *dtypes, *numpy_1_and_2]


def read_run_checkpoint(path: str | Path) -> dict:
    """A checkpoint of mmengine's Runner (weights, optimizer, message hub, metainfo), on the CPU, not fully unpickled.

    Raises:
        FileNotFoundError, CheckpointMismatchError: see :func:`mmicf.utils.strict_loading.read_checkpoint`.
    """
    with torch.serialization.safe_globals(_run_globals()):
        return read_checkpoint(path, published=_RUN_FILE)


def use_safe_loading() -> None:
    """Make mmengine read local checkpoints by :func:`read_run_checkpoint`, for load_from, resume and ``Pretrained``.

    mmengine's own loader unpickles in full whatever it cannot read otherwise; on the upstream stack it fails on
    torch 2.6 and later.
    """
    def load_from_local(filename: str, map_location=None) -> dict:  # mmengine prints 'local' of this name
        return read_run_checkpoint(filename)

    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)


class KeyReport(NamedTuple):
    """How the tensors of a checkpoint fit a model; names are the model's, except ``unexpected``."""
    matched: list[str]
    missing: list[str]
    mismatched: list[str]
    unexpected: list[str]

    def summary(self) -> str:
        """A few lines of text: counts and the first names of each kind that does not fit."""
        lines = [f'{len(self.matched)} of {len(self.matched) + len(self.missing) + len(self.mismatched)} tensors found']
        for kind in ('missing', 'mismatched', 'unexpected'):
            names = getattr(self, kind)
            if names:
                lines.append(f'  {len(names)} {kind}: {", ".join(names[:5])}{", ..." if len(names) > 5 else ""}')
        return '\n'.join(lines)


def model_state(checkpoint: Mapping) -> dict[str, Tensor]:
    """The tensors of a checkpoint or plain state_dict, without DDP's ``module.`` in front."""
    state = checkpoint.get('state_dict', checkpoint)
    return {name.removeprefix('module.'): value for name, value in state.items() if isinstance(value, Tensor)}


def compare_keys(model: nn.Module, checkpoint: Mapping) -> KeyReport:
    """Match names and shapes of a checkpoint with those of ``model``."""
    own, state = model.state_dict(), model_state(checkpoint)
    matched, mismatched = [], []
    for name in own:
        if name in state:
            if own[name].shape == state[name].shape:
                matched.append(name)
            else:
                mismatched.append(f'{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}')
    return KeyReport(matched, [n for n in own if n not in state], mismatched, [n for n in state if n not in own])


def check_keys(model: nn.Module, checkpoint: Mapping, path: str | Path, *, strict: bool,
               optional: tuple[str, ...] = ()) -> KeyReport:
    """Refuse a checkpoint that is not this model's.

    Args:
        model: not wrapped.
        checkpoint: as read.
        path: named in errors.
        strict: every tensor must be there in its shape; else half of them suffice (fine-tuning with another head).
        optional: first name parts that may be missing even so, such as parts that only training needs.

    Raises:
        CheckpointMismatchError: names the file and the first keys of each kind that does not fit.
    """
    report = compare_keys(model, checkpoint)
    if strict:
        needed = [n for n in report.missing if n.split('.')[0] not in optional]
        if needed or report.mismatched:
            raise CheckpointMismatchError(f'{path} does not fit {type(model).__name__}: '
                                          f'{report._replace(missing=needed).summary()}')
    elif 2 * len(report.matched) < len(model.state_dict()):
        raise CheckpointMismatchError(f'{path} is a checkpoint of another model than {type(model).__name__}: '
                                      f'{report.summary()}; expected at least half of them')
    return report


def load_official(module: nn.Module, path: str | Path, *, published: str,
                  key_map: Callable[[str], str | None] | None = None) -> None:
    """Load a published file into ``module``; after ``key_map`` every name and shape must agree.

    BatchNorm counters (``num_batches_tracked``), which files older than PyTorch 0.4.1 lack, keep their values.

    Args:
        module: what to fill.
        path: the file: a state_dict, or one below ``state_dict`` or ``model``.
        published: the published file's name and where to get it, for error messages.
        key_map: published name → name in ``module``, or None to leave a tensor out (a classifier).

    Raises:
        FileNotFoundError: no such file; the message tells ``published``.
        CheckpointMismatchError: it does not fit.
    """
    content = read_checkpoint(path, published=published)
    for key in ('state_dict', 'model'):
        if isinstance(content.get(key), Mapping):
            content = content[key]
    state = {name: value for name, value in module.state_dict().items() if name.endswith('num_batches_tracked')}
    for name, value in content.items():
        name = name if key_map is None else key_map(name)
        if name is not None:
            state[name] = value
    load_strict(module, state, path=path, published=published)
