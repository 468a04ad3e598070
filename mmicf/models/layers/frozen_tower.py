"""Foundation models that take part in training without being part of the model."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.model import BaseModule
from torch import nn


class FrozenTower(BaseModule):
    """Holds a frozen network outside of PyTorch's module tree.

    The network moves with ``.to()`` and lets gradients through to its input, but it is in no state_dict, no optimizer and no
    parameter count that walks the module tree; it is always in eval mode, and copies of the model (EMA) share it. Freezing the
    parameters alone would leave it in checkpoints, in EMA and in train mode.
    """

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        vars(self)['tower'] = tower.eval().requires_grad_(False)

    def _apply(self, fn: Callable, recurse: bool = True) -> 'FrozenTower':
        super()._apply(fn, recurse)
        self.tower._apply(fn, recurse)
        return self

    def __deepcopy__(self, memo: dict) -> 'FrozenTower':
        memo[id(self)] = self
        return self


@contextmanager
def tower_weights() -> Iterator[None]:
    """Weights made inside are the same in every process, and the global generator goes on as if none had been made.

    A random tower (tests and tiny runs) is in no checkpoint: a model that is built again must find the tower it learned with.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield
