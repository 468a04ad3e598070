"""Random numbers that belong to a clip and an iteration, not to the rank, batch or process that happens to draw them.

A loss term that draws from :func:`clip_generator` has one value for one process and for many, and after a resume.
"""
import hashlib

import torch

from mmicf.utils.log_once import log_once

_seed = 0
_iteration = 0
_published = False


def publish_iteration(iteration: int, seed: int | None = None) -> None:
    """Set the iteration now running, counted from 0 over all epochs, and the run's seed; ``SeedHook`` is the caller.

    Both are 0 until then, and the iteration is 0 outside of training.
    """
    global _iteration, _published, _seed
    _iteration, _published = int(iteration), True
    if seed is not None:
        _seed = int(seed)


def clip_generator(clip_id: str, stream: str, device: torch.device | str = 'cpu',
                   iteration: int | None = None) -> torch.Generator:
    """A fresh generator for one clip and one use in one iteration.

    The seed is a BLAKE2b hash of (run seed, iteration, clip_id, stream), so it is the same in every process and on
    every rank. Numbers drawn on CPU and on GPU from the same seed differ: PyTorch uses two algorithms.

    Args:
        clip_id: the clip's ``clip_id``, unique in the dataset.
        stream: name of the use, such as ``'points.layer3'``. Two uses with one name draw the same numbers.
        device: where the numbers are drawn.
        iteration: defaults to the published one.
    """
    if iteration is None and not _published:
        log_once('no SeedHook', "no SeedHook: every iteration draws the same random numbers; add custom_hooks = "
                 "[dict(type='mmicf.SeedHook')] to the config")
    iteration = _iteration if iteration is None else int(iteration)
    key = repr((_seed, iteration, str(clip_id), str(stream))).encode()
    generator = torch.Generator(device=device)
    generator.manual_seed(int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), 'big'))
    return generator
