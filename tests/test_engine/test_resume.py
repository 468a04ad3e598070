"""A run that was cut off and resumed reaches the weights of the uninterrupted one, bit for bit."""
import itertools

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from toy_training import config, loader

from mmicf.engine import ResumableBatchSampler
from mmicf.registry import HOOKS
from mmicf.utils.checkpoint import read_run_checkpoint, use_safe_loading

_count = itertools.count()


class Killed(Exception):
    pass


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the run in the middle of an iteration's hooks."""
    priority = 'LOWEST'

    def __init__(self, *, after):
        self.after = after

    def after_train_iter(self, runner, **kwargs):
        if runner.iter + 1 == self.after:
            raise Killed


@pytest.fixture(autouse=True)
def quick_and_safe(monkeypatch):
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)  # asks compilers for their versions: seconds
    use_safe_loading()


def make_runner(work_dir, **changes):
    return Runner.from_cfg(Config(config(work_dir, experiment_name=f'resume{next(_count)}', **changes)))


def train(runner):
    try:
        runner.train()
    finally:
        workers = runner.train_dataloader._iterator
        if workers is not None:  # left to garbage collection, each would be waited for for 5 s
            workers._shutdown_workers()


def final_state(work_dir, iteration=15):
    checkpoint = read_run_checkpoint(work_dir / f'iter_{iteration}.pth')
    return {**checkpoint['state_dict'], **{f'ema.{k}': v for k, v in checkpoint['ema_state_dict'].items()}}


def assert_same(found, wanted):
    assert list(found) == list(wanted) and len(found) > 10
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name


def test_killed_in_mid_epoch_with_workers_ema_and_augmentation(tmp_path):
    data = dict(train_dataloader=loader(4, workers=2))
    train(make_runner(tmp_path / 'whole', **data))
    hooks = config(tmp_path)['custom_hooks']
    with pytest.raises(Killed):
        train(make_runner(tmp_path / 'cut', custom_hooks=[*hooks, dict(type='KillHook', after=9)], **data))
    assert not (tmp_path / 'cut/iter_10.pth').exists() and (tmp_path / 'cut/iter_8.pth').exists()
    train(make_runner(tmp_path / 'cut', resume=True, **data))
    assert_same(final_state(tmp_path / 'cut'), final_state(tmp_path / 'whole'))


@pytest.mark.parametrize('changes', [
    pytest.param(dict(), id='plain'),
    pytest.param(dict(randomness=dict(seed=None)), id='seed drawn by mmengine'),
    pytest.param(dict(optim_wrapper=dict(type='OptimWrapper', accumulative_counts=2,
                                         optimizer=dict(type='SGD', lr=0.1, momentum=0.9))), id='accumulation'),
    pytest.param(dict(optim_wrapper=dict(type='AutocastOptimWrapper', optimizer=dict(type='AdamW', lr=0.05))),
                 id='bf16'),
])
def test_resume_from_every_checkpoint(tmp_path, changes):
    make_runner(tmp_path / 'whole', **changes).train()
    wanted = final_state(tmp_path / 'whole')
    # 10 is the end of the second epoch, saved before that epoch was counted
    for iteration in (4, 10):
        resumed = tmp_path / f'from{iteration}'
        runner = make_runner(resumed, resume=True, load_from=str(tmp_path / f'whole/iter_{iteration}.pth'), **changes)
        runner.train()
        assert_same(final_state(resumed), wanted)
        assert len(runner.train_dataloader.dataset.loaded) == (15 - iteration) * 4, 'skipped batches were loaded'


def test_the_check_can_fail(tmp_path):
    """Without stateless seeds, a resumed run does differ."""
    plain = [dict(type='EMAHook', momentum=0.1)]
    make_runner(tmp_path / 'whole', custom_hooks=plain).train()
    start = str(tmp_path / 'whole/iter_4.pth')
    make_runner(tmp_path / 'resumed', custom_hooks=plain, resume=True, load_from=start).train()
    assert not torch.equal(final_state(tmp_path / 'resumed')['backbone.weight'],
                           final_state(tmp_path / 'whole')['backbone.weight'])


def test_epoch_checkpoints_resume_exactly(tmp_path):
    hooks = dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)))
    make_runner(tmp_path / 'whole', **hooks).train()
    start = str(tmp_path / 'whole/epoch_1.pth')
    make_runner(tmp_path / 'resumed', resume=True, load_from=start, **hooks).train()
    whole, resumed = (read_run_checkpoint(tmp_path / d / 'epoch_3.pth')['state_dict'] for d in ('whole', 'resumed'))
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


@pytest.mark.parametrize('hook', [dict(interval=3, by_epoch=False), dict(interval=2, by_epoch=False, save_begin=1),
                                  dict(interval=1, by_epoch=True)])
def test_checkpoints_between_updates_are_refused(tmp_path, hook):
    wrapper = dict(type='OptimWrapper', accumulative_counts=2, optimizer=dict(type='SGD', lr=0.1))
    runner = make_runner(tmp_path, optim_wrapper=wrapper,
                         default_hooks=dict(checkpoint=dict(type='CheckpointHook', **hook)))
    with pytest.raises(ValueError, match='no multiple of accumulative_counts=2'):
        runner.train()


def test_other_epoch_length_is_refused(tmp_path):
    make_runner(tmp_path / 'whole', train_cfg=dict(type='ResumableEpochTrainLoop', max_epochs=1)).train()
    runner = make_runner(tmp_path / 'other', resume=True, load_from=str(tmp_path / 'whole/iter_2.pth'),
                         train_dataloader=loader(2))
    with pytest.raises(ValueError, match='now has 10 batches, 5 when the checkpoint was saved'):
        runner.train()


def test_own_batch_sampler_is_refused(tmp_path):
    runner = make_runner(tmp_path, train_dataloader=loader(4, batch_sampler=dict(type='ResumableBatchSampler')))
    with pytest.raises(TypeError, match='makes the batch sampler itself'):
        runner.train()


def test_batch_sampler_skips_and_keeps_its_length():
    sampler = ResumableBatchSampler(range(10), 3, drop_last=False)
    sampler.start = 2
    iterator = iter(sampler)
    sampler.start = 0  # of the next pass
    assert list(iterator) == [[6, 7, 8], [9]] and len(sampler) == 4
    assert next(iter(sampler)) == [0, 1, 2]


@pytest.mark.parametrize('workers', [0, 2])
def test_batch_sampler_in_a_data_loader(workers):
    sampler = ResumableBatchSampler(range(10), 3, drop_last=True)
    batches = DataLoader(torch.arange(10), batch_sampler=sampler, num_workers=workers, persistent_workers=workers > 0)
    for start in (1, 0, 2, 3):
        sampler.start = start
        assert [batch[0].item() for batch in batches] == [0, 3, 6][start:]
        assert len(batches) == 3
