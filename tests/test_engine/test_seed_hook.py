"""Random state depends on (seed, iteration, rank); datasets learn the epoch, also below wrappers and in workers."""
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from toy_training import ToyAugment, ToyClips, config, loader

from mmicf.engine.hooks import seed_hook
from mmicf.engine.hooks.seed_hook import SeedHook
from mmicf.utils.random import clip_generator, publish_iteration


@pytest.fixture(autouse=True)
def outside_of_training():
    init_default_scope('mmicf')
    yield
    publish_iteration(0, seed=0)


def fake_runner(iteration=0, epoch=0, seed=3, dataset=None, diff_rank_seed=False):
    return SimpleNamespace(iter=iteration, epoch=epoch, seed=seed, train_loop=None,
                           _randomness_cfg=dict(diff_rank_seed=diff_rank_seed), train_dataloader=SimpleNamespace(dataset=dataset))


def draws(**kwargs):
    SeedHook().before_train_iter(fake_runner(**kwargs), batch_idx=0)
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_draws_depend_on_seed_iteration_and_rank(monkeypatch):
    first = draws(iteration=4)
    assert draws(iteration=4) == first
    others = [draws(iteration=5), draws(iteration=4, seed=4)]
    monkeypatch.setattr(seed_hook, 'get_rank', lambda: 1)
    others.append(draws(iteration=4))
    for other in others:
        assert all(a != b for a, b in zip(first, other, strict=True))


def drawn(**kwargs):
    return clip_generator('a', 'x', **kwargs).initial_seed()


def drawn_at(iteration, seed):
    publish_iteration(iteration, seed)
    return drawn()


def test_iteration_and_seed_are_published_and_withdrawn():
    expected, outside = drawn_at(9, 3), drawn_at(0, 3)
    publish_iteration(0, seed=0)
    hook = SeedHook()
    hook.before_train_iter(fake_runner(iteration=9), batch_idx=0)
    assert drawn() == drawn(iteration=9) == expected
    hook.after_train_epoch(fake_runner())
    assert drawn() == outside != expected


def test_clips_draw_alike_on_ranks_that_mmengine_seeded_apart(monkeypatch):
    rank_0, other = drawn_at(0, 3), drawn_at(0, 11)
    monkeypatch.setattr(seed_hook, 'get_rank', lambda: 2)
    SeedHook().before_train_iter(fake_runner(seed=5, diff_rank_seed=True), batch_idx=0)
    assert drawn() == rank_0
    SeedHook(seed=11).before_train_iter(fake_runner(), batch_idx=0)
    assert drawn() == other


@pytest.mark.parametrize('wrap', [lambda a, b: ConcatDataset([a, b]), lambda a, b: RepeatDataset(a, 2)])
@pytest.mark.parametrize('workers', [0, 2])
def test_datasets_below_wrappers_see_the_epoch(workers, wrap):
    whole = wrap(*(ToyClips(length=3, pipeline=[ToyAugment()]) for _ in range(2)))
    loader = DataLoader(whole, batch_size=None, num_workers=workers, persistent_workers=workers > 0)
    epochs = []
    for epoch in (0, 1, 0):
        SeedHook().before_train_epoch(fake_runner(epoch=epoch, dataset=whole))
        epochs.append(torch.stack([item['inputs'] for item in loader]))
    assert torch.equal(epochs[0], epochs[2])
    assert (epochs[0] != epochs[1]).all()


def test_hook_hands_the_run_s_seed_and_the_epoch_to_datasets():
    class Dataset:
        calls = {}

        def set_epoch(self, epoch):
            self.calls['epoch'] = epoch

        def set_run_seed(self, seed):
            self.calls['seed'] = seed

    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(datasets=[Dataset()])), epoch=3, iter=0, train_loop=None,
        seed=11, _randomness_cfg={})
    SeedHook().before_train_epoch(runner)
    assert Dataset.calls == {'epoch': 3, 'seed': 11}


@pytest.mark.parametrize('workers', [0, 1])
def test_a_loop_of_iterations_augments_anew_in_every_pass(workers, tmp_path):
    """mmseg's default loop: without epochs every pass would show the same pictures."""
    seen = []

    class Spy(Hook):

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            seen.append([x.flatten()[0].item() for x in data_batch['inputs']])

    cfg = config(str(tmp_path), train_cfg=dict(type='IterBasedTrainLoop', max_iters=6), param_scheduler=[])
    cfg['train_dataloader'] = loader(2, length=2, shuffle=False)
    cfg['train_dataloader'].update(sampler=dict(type='InfiniteSampler', shuffle=False), num_workers=workers)
    if workers:
        cfg['train_dataloader'].update(prefetch_factor=1)
    runner = Runner.from_cfg(Config(cfg))
    runner.register_hook(Spy())
    runner.train()
    assert len(seen) == 6 and len({tuple(x) for x in seen}) >= (6 if workers == 0 else 3)  # a worker loads ahead
