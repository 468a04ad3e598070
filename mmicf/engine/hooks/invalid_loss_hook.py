"""Ends a training whose weights are no numbers any more."""
import logging
from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log

from mmicf.registry import HOOKS


@HOOKS.register_module()
class InvalidLossHook(Hook):
    """Looks at the loss every ``interval`` iterations, and at the weights at each epoch's end and before they are saved.

    Clipping turns one infinite gradient into NaN in every weight; without a check such a run goes on to its end and reports a
    score. The loss tells of it an iteration late. An infinite loss alone is a warning: under fp16 the scaler skips that step.
    Buffers are not looked at: DDESeg's are infinite on purpose.

    Args:
        interval: iterations from one look at the loss to the next; on a GPU each look waits for the step.

    Raises:
        FloatingPointError: while training, weights are infinite or NaN.
    """

    priority = 'NORMAL'  # before CheckpointHook, which would save them

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self.outputs: dict[str, torch.Tensor] = {}
        self.iteration = self.warned = 0

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict[str, torch.Tensor] | None = None) -> None:
        self.outputs, self.iteration = outputs or {}, runner.iter + 1
        if self._is_saved_now(runner):
            self._check(runner, weights=True)
        elif self.every_n_train_iters(runner, self.interval):
            self._check(runner, weights=False)

    def after_train_epoch(self, runner) -> None:
        self._check(runner, weights=True)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """For what saves at other times; mmengine saves on the first rank only."""
        self._check(runner, weights=True)

    def _is_saved_now(self, runner) -> bool:
        """Whether a checkpoint by iteration follows; before saving it, CheckpointHook deletes an older one."""
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook) and not hook.by_epoch]
        return any(self.every_n_train_iters(runner, hook.interval, hook.save_begin)
                   or (hook.save_last and self.is_last_train_iter(runner)) for hook in hooks)

    def _check(self, runner, *, weights: bool) -> None:
        """Look at the last iteration's losses, and at the weights if a loss is no number or if ``weights`` is set."""
        wrong = [f'{key} is {float(value)}' for key, value in self.outputs.items() if not torch.isfinite(value).all()]
        if not wrong and not weights:
            return
        found = f'epoch {runner.epoch + 1}, iteration {self.iteration}: {", ".join(wrong) or "the losses are finite"}'
        finite = {name: weight.detach().isfinite().all() for name, weight in runner.model.named_parameters()}
        bad = [name for name, good in zip(finite, torch.stack([*finite.values()]).tolist(), strict=True) if not good]  # one wait
        if bad:
            raise FloatingPointError(
                f'{found}; {len(bad)} of {len(finite)} weights are infinite or NaN, {bad[0]} the first. The training cannot '
                'recover: resume from an earlier checkpoint with a lower rate, or look for the cause with '
                'torch.autograd.detect_anomaly')
        if wrong and self.warned != self.iteration:  # several checkpoints may be saved after one iteration
            self.warned = self.iteration
            print_log(f'{found}; the weights are finite', 'current', level=logging.WARNING)
