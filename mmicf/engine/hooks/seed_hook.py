"""Random state as a function of (seed, iteration, rank): a resumed run draws what the uninterrupted one drew."""
import hashlib
import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop

from mmicf.registry import HOOKS
from mmicf.utils.random import publish_iteration


def run_seed(runner) -> int:
    """The run's seed, the same on all ranks, and after a resume the one of the checkpoint."""
    return runner.seed - (get_rank() if runner._randomness_cfg.get('diff_rank_seed') else 0)


def base_datasets(dataset) -> list:
    """The datasets below mmengine's wrappers (concatenated, repeated, balanced, sliced)."""
    children = getattr(dataset, 'datasets', None)
    if children is None:
        child = getattr(dataset, 'dataset', None) or getattr(dataset, '_dataset', None)
        children = [] if child is None else [child]
    return [base for child in children for base in base_datasets(child)] if children else [dataset]


@HOOKS.register_module()
class SeedHook(Hook):
    """Makes training a function of (seed, epoch, iteration, rank) alone.

    Before each training epoch it gives the datasets the run's seed and the epoch, on which their random draws depend;
    before each training iteration it seeds torch, numpy and random, and publishes the iteration for
    :func:`mmicf.utils.random.clip_generator`. mmengine restores no random state on resume; with this hook none is
    needed.

    Under mmengine's ``IterBasedTrainLoop``, which has no epochs, a pass over the loader counts as one. Workers load ahead, so a
    clip near the end of a pass may get the draws of either; only ``ResumableEpochTrainLoop`` repeats a run exactly.

    Args:
        seed: None takes the run's (``randomness=dict(seed=...)``, or the one mmengine drew; a resumed run takes the
            checkpoint's).
    """

    priority = 'VERY_HIGH'

    def __init__(self, *, seed: int | None = None) -> None:
        self.seed = seed

    def _seed(self, runner) -> int:
        return run_seed(runner) if self.seed is None else self.seed

    def before_train_epoch(self, runner) -> None:
        self._tell_datasets(runner, runner.iter)

    def _tell_datasets(self, runner, iteration: int) -> None:
        epoch = runner.epoch
        if isinstance(runner.train_loop, IterBasedTrainLoop):  # its one epoch is the whole run
            epoch = iteration // max(1, len(runner.train_dataloader))
        for dataset in base_datasets(runner.train_dataloader.dataset):
            for name, value in (('set_run_seed', self._seed(runner)), ('set_epoch', epoch)):
                if hasattr(dataset, name):
                    getattr(dataset, name)(value)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        seed = self._seed(runner)
        if isinstance(runner.train_loop, IterBasedTrainLoop):  # this iteration's batch is loaded by now
            self._tell_datasets(runner, runner.iter + 1)
        publish_iteration(runner.iter, seed)
        key = repr((seed, runner.iter, get_rank())).encode()
        number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), 'big')
        random.seed(number)
        np.random.seed(number % 2**32)
        torch.manual_seed(number)

    def after_train_epoch(self, runner) -> None:
        publish_iteration(0)
