"""A training whose weights became NaN ends at once; an infinite loss alone is a warning."""
import logging

import pytest
import torch
from mmengine.runner import Runner
from toy_training import config


def runner_of(tmp_path, interval, spoil):
    """A toy run whose model has ``spoil`` applied at its third iteration."""
    runner = Runner.from_cfg(config(
        tmp_path, experiment_name=f'{tmp_path.name}_{interval}', custom_hooks=[dict(type='SeedHook'), dict(type='InvalidLossHook',
                                                                                                        interval=interval)]))
    inner, calls = runner.model.parse_losses, []

    def parse_losses(losses):
        calls.append(1)
        total, log_vars = inner(losses)
        return spoil(total, log_vars) if len(calls) == 3 else (total, log_vars)

    runner.model.parse_losses = parse_losses
    return runner


def infinite_gradient(total, log_vars):
    return total * torch.inf, {**log_vars, 'loss': total.detach() * torch.inf}


@pytest.mark.parametrize(('interval', 'where'), [(4, 'epoch 1, iteration 4'), (50, 'epoch 1, iteration 5')])
def test_nan_weights_end_the_run_and_are_named(tmp_path, interval, where):
    with pytest.raises(FloatingPointError, match=rf'{where}: .*loss is nan.* of \d+ weights are infinite or NaN'):
        runner_of(tmp_path, interval, infinite_gradient).train()


def test_an_infinite_loss_with_finite_weights_is_a_warning(tmp_path):
    messages = []
    runner = runner_of(tmp_path, 1, lambda total, log_vars: (total, {**log_vars, 'loss': torch.tensor(torch.inf)}))
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    runner.logger.addHandler(handler)
    runner.train()
    assert [m for m in messages if 'the weights are finite' in m] == ['epoch 1, iteration 3: loss is inf; the weights are finite']
