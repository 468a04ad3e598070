"""Per-clip generators: stable across processes, different for every part of their key."""
import subprocess
import sys

import pytest
import torch

from mmicf.utils import random as clip_random


@pytest.fixture(autouse=True)
def position():
    clip_random.publish_iteration(7, seed=3)
    yield
    clip_random.publish_iteration(0, seed=0)


def draw(clip_id='a', stream='points', **kwargs):
    return torch.rand(64, generator=clip_random.clip_generator(clip_id, stream, **kwargs))


def test_same_key_gives_same_numbers_whatever_else_was_drawn():
    first = draw()
    torch.rand(5)
    torch.manual_seed(11)
    assert torch.equal(first, draw())


def test_every_part_of_the_key_matters():
    base = draw()
    others = [draw(clip_id='b'), draw(stream='noise'), draw(iteration=8)]
    clip_random.publish_iteration(7, seed=4)
    others.append(draw())
    # a naive join of the parts would make these two equal
    others += [draw(clip_id='ab', stream='c'), draw(clip_id='a', stream='bc')]
    draws = [base, *others]
    for i, one in enumerate(draws):
        for other in draws[i + 1:]:
            assert not torch.equal(one, other)
            assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.6


def test_published_iteration_is_the_default():
    before = draw(iteration=8)
    assert torch.equal(draw(), draw(iteration=7))
    clip_random.publish_iteration(8)  # and the seed stays
    assert torch.equal(draw(), before) and not torch.equal(draw(), draw(iteration=7))


def test_same_seed_in_another_process():
    # Python's own hash() is salted per process; the seed must not be.
    path = clip_random.__file__
    code = (f'import runpy; m = runpy.run_path({path!r}); m["publish_iteration"](7, seed=3); '
            'print(m["clip_generator"]("a", "points").initial_seed())')
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert int(out) == clip_random.clip_generator('a', 'points').initial_seed()


def test_draws_that_no_hook_moves_on_are_warned_of(monkeypatch):
    said = []
    monkeypatch.setattr(clip_random, 'log_once', lambda key, message: said.append(message))
    draw()
    assert said == []
    monkeypatch.setattr(clip_random, '_published', False)
    draw(iteration=3)
    assert said == []
    draw()
    assert len(said) == 1 and 'SeedHook' in said[0]
