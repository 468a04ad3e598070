"""A training whose weights became NaN ends at once; an infinite loss alone is a warning."""
import logging

import pytest
import torch
from mmengine.runner import Runner
from toy_training import config


def runner_of(tmp_path, looks, spoil, *, at=3, **checkpoint):
    """A toy run of three epochs of five iterations whose losses have ``spoil`` applied at iteration ``at``."""
    hooks = dict(checkpoint=dict(type='CheckpointHook', **{'interval': 2, 'by_epoch': False, **checkpoint}),
                 logger=dict(type='LoggerHook', interval=1))
    runner = Runner.from_cfg(config(
        tmp_path, experiment_name=f'{tmp_path.name}_{looks}_{at}', default_hooks=hooks,
        custom_hooks=[dict(type='SeedHook'), dict(type='InvalidLossHook', interval=looks)]))
    runner.model.register_buffer('centers', torch.tensor(torch.inf))  # as DDESeg's before the first batch
    inner, calls = runner.model.parse_losses, []

    def parse_losses(losses):
        calls.append(1)
        total, log_vars = inner(losses)
        return spoil(total, log_vars) if len(calls) == at else (total, log_vars)

    runner.model.parse_losses = parse_losses
    return runner


def infinite_gradient(total, log_vars):
    return total * torch.inf, {**log_vars, 'loss': total.detach() * torch.inf}


@pytest.mark.parametrize(('interval', 'where'), [(4, 'epoch 1, iteration 4'), (50, 'epoch 1, iteration 5')])
def test_nan_weights_end_the_run_and_are_named(tmp_path, interval, where):
    with pytest.raises(FloatingPointError, match=rf'{where}: .*loss is nan.* of \d+ weights are infinite or NaN'):
        runner_of(tmp_path, interval, infinite_gradient, interval=-1).train()


@pytest.mark.parametrize(('at', 'checkpoint', 'where', 'left'), [
    (5, dict(by_epoch=True, interval=1), 'epoch 1, iteration 5', []),
    (10, dict(by_epoch=True, interval=1), 'epoch 2, iteration 10', ['epoch_1.pth']),
    (15, dict(by_epoch=True, interval=2), 'epoch 3, iteration 15', ['epoch_2.pth']),
    (3, dict(interval=1), 'epoch 1, iteration 3', ['iter_2.pth']),
    (15, dict(interval=4), 'epoch 3, iteration 15', ['iter_12.pth'])])
def test_weights_that_a_finite_loss_spoiled_are_not_saved(tmp_path, at, checkpoint, where, left):
    """The logged loss is computed before the step; the last good checkpoint is still there."""
    runner = runner_of(tmp_path, 50, lambda total, log_vars: (total * torch.inf, log_vars), at=at, max_keep_ckpts=1, **checkpoint)
    with pytest.raises(FloatingPointError, match=rf'{where}: the losses are finite; \d+ of \d+ weights are infinite or NaN'):
        runner.train()
    assert [path.name for path in tmp_path.glob('*.pth')] == left


def test_what_saves_at_another_time_does_not_save_them_either(tmp_path):
    runner = runner_of(tmp_path, 50, infinite_gradient)
    weights_alone = dict(save_optimizer=False, save_param_scheduler=False)
    runner.save_checkpoint(str(tmp_path), 'good.pth', **weights_alone)
    torch.nn.init.constant_(runner.model.bn.weight, torch.nan)
    with pytest.raises(FloatingPointError, match=r'1 of \d+ weights are infinite or NaN, bn\.weight the first'):
        runner.save_checkpoint(str(tmp_path), 'bad.pth', **weights_alone)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['good.pth']


def test_an_infinite_loss_with_finite_weights_is_a_warning(tmp_path):
    messages = []
    runner = runner_of(tmp_path, 1, lambda total, log_vars: (total, {**log_vars, 'loss': torch.tensor(torch.inf)}))
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    runner.logger.addHandler(handler)
    runner.train()
    assert [m for m in messages if 'the weights are finite' in m] == ['epoch 1, iteration 3: loss is inf; the weights are finite']


def test_one_infinite_loss_is_warned_of_once_however_many_checkpoints_follow(tmp_path):
    messages = []
    runner = runner_of(tmp_path, 5, lambda total, log_vars: (total, {**log_vars, 'loss': torch.tensor(torch.inf)}), at=5,
                       interval=1, by_epoch=True)
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    runner.logger.addHandler(handler)
    runner.train()
    assert [m for m in messages if 'the weights are finite' in m] == ['epoch 1, iteration 5: loss is inf; the weights are finite']
