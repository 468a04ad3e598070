"""Fixtures that tests of several folders share."""
import json
from pathlib import Path

import pytest
import torch

from mmicf.utils import random as av_random

KEYS = Path(__file__).parent / 'data' / 'checkpoint_keys'


def _shapes(name: str) -> dict[str, list[int]]:
    content = json.loads((KEYS / f'{name}.json').read_text())
    shapes = {prefix + key: shape for prefix, part in content['include'].items() for key, shape in _shapes(part).items()}
    return {**shapes, **content['tensors']}


@pytest.fixture(scope='session')
def published_state():
    """Function of a file in tests/data/checkpoint_keys → its names and shapes as a state_dict that takes no memory."""
    return lambda name: {key: torch.empty(shape, device='meta') for key, shape in _shapes(name).items()}


@pytest.fixture(autouse=True)
def no_iteration_is_published(monkeypatch):
    """Each test draws as a new process does, whatever trained before it in this one."""
    for name, value in dict(_seed=0, _iteration=0, _published=False).items():
        monkeypatch.setattr(av_random, name, value)
