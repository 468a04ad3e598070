"""Ends a training whose weights are no numbers any more."""
import logging
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log

from mmicf.registry import HOOKS


@HOOKS.register_module()
class InvalidLossHook(Hook):
    """Looks at the loss every ``interval`` iterations and at each epoch's end.

    Clipping turns one infinite gradient into NaN in every weight; without a check such a run goes on to its end and reports a
    score. An infinite loss alone is a warning: under fp16 the scaler skips that step.

    Args:
        interval: iterations from one look to the next; on a GPU each look waits for the step.

    Raises:
        FloatingPointError: while training, weights are infinite or NaN.
    """

    priority = 'NORMAL'  # before CheckpointHook, which would save them

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self.outputs: dict[str, torch.Tensor] = {}
        self.iteration = 0

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict[str, torch.Tensor] | None = None) -> None:
        self.outputs, self.iteration = outputs or {}, runner.iter + 1
        if self.every_n_train_iters(runner, self.interval):
            self._check(runner)

    def after_train_epoch(self, runner) -> None:
        self._check(runner)

    def _check(self, runner) -> None:
        wrong = {key: float(value) for key, value in self.outputs.items() if not torch.isfinite(value).all()}
        if not wrong:
            return
        found = f'epoch {runner.epoch + 1}, iteration {self.iteration}: ' + ', '.join(f'{k} is {v}' for k, v in wrong.items())
        weights = dict(runner.model.named_parameters())
        bad = [name for name, weight in weights.items() if not torch.isfinite(weight).all()]
        if bad:
            raise FloatingPointError(
                f'{found}; {len(bad)} of {len(weights)} weights are infinite or NaN, {bad[0]} the first. The training cannot '
                'recover: resume from an earlier checkpoint with a lower rate, or look for the cause with '
                'torch.autograd.detect_anomaly')
        print_log(f'{found}; the weights are finite', 'current', level=logging.WARNING)
