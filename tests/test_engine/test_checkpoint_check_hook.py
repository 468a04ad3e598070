"""The hook refuses checkpoints of other models on load, test and resume."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from torch import nn

from mmicf.engine import CheckpointCheckHook
from mmicf.utils.strict_loading import CheckpointMismatchError


class Model(nn.Module):

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)
        self.icf = nn.Linear(2, 2)


def load(state, strict=False, resume=False, hooks=(), **content):
    lines = []
    runner = SimpleNamespace(model=Model(), _load_from='run/x.pth', _resume=resume, work_dir='run', hooks=list(hooks),
                             logger=SimpleNamespace(info=lines.append))
    CheckpointCheckHook(strict=strict).after_load_checkpoint(runner, dict(state_dict=state, **content))
    return lines


@pytest.fixture
def state():
    return dict(Model().state_dict())


def test_training_only_parts_may_be_missing_from_a_published_checkpoint(state):
    published = {name: value for name, value in state.items() if not name.startswith('icf.')}
    assert '4 of 6' in load(published, strict=True)[0]
    with pytest.raises(CheckpointMismatchError, match=r'run/x\.pth.*(?s:.*)2 missing: icf\.weight, icf\.bias'):
        load(published, resume=True)


def test_a_run_is_not_resumed_from_a_larger_model(state):
    larger = {**state, 'denoiser.weight': torch.zeros(2)}
    assert '1 unexpected: denoiser.weight' in load(larger, strict=True)[0]
    with pytest.raises(CheckpointMismatchError, match=r'run/x\.pth is a checkpoint of another model(?s:.*)denoiser\.weight'):
        load(larger, resume=True)


def test_fine_tuning_with_another_head(state):
    state['head.weight'] = torch.zeros(9, 2)
    assert 'head.weight (9, 2) instead of (2, 2)' in load(state)[0]
    with pytest.raises(CheckpointMismatchError, match=r'head\.weight'):
        load(state, strict=True)


def test_another_model(state):
    with pytest.raises(CheckpointMismatchError, match='another model'):
        load({f'encoder.{name}': value for name, value in state.items()})


def test_averaged_weights_are_not_resumed_as_trained_ones(state):
    """The optimizer's moments belong to the weights that EMAHook keeps beside the averages."""
    averaged = dict(ema_state_dict={name: value + 1 for name, value in state.items()})
    with pytest.raises(CheckpointMismatchError, match=r'run/x\.pth is of a run with averaged weights.*default_hooks\.ema\.type='):
        load(state, resume=True, **averaged)
    assert '6 of 6' in load(state, resume=True, hooks=[EMAHook()], **averaged)[0]
    assert '6 of 6' in load(state, strict=True, **averaged)[0]  # tests and fine-tuning take the averages
