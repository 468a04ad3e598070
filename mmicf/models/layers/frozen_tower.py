"""Foundation models that take part in training without being part of the model."""
from collections.abc import Callable

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
