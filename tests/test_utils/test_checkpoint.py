"""Run checkpoints are read without running code; checkpoints of other models are refused with file and keys named."""
import os

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from mmicf.utils.checkpoint import check_keys, compare_keys, read_run_checkpoint, use_safe_loading
from mmicf.utils.strict_loading import CheckpointMismatchError


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 5))


@pytest.fixture
def default_loader():
    """Leave mmengine's loader as it was found."""
    before = dict(CheckpointLoader._schemes)
    yield
    CheckpointLoader._schemes.clear()
    CheckpointLoader._schemes.update(before)


def test_everything_that_mmengine_saves_is_read(tmp_path):
    hub = MessageHub(f'checkpoint{os.getpid()}')
    hub.update_scalar('train/loss', torch.tensor(1.5))
    hub.update_scalar('train/loss', 0.5)
    hub.update_info('best', np.float64(0.25))
    meta = dict(epoch=3, dataset_meta=dict(palette=np.arange(6, dtype=np.uint8).reshape(2, 3), part=slice(1, 4),
                                           classes=('a', 'b'), flags=np.array([True, False]), n=np.int64(7),
                                           half=np.float16(0.5), i32=np.arange(2, dtype=np.int32)))
    torch.save(dict(meta=meta, message_hub=hub.state_dict(), state_dict={'x': torch.ones(2)}), tmp_path / 'run.pth')
    found = read_run_checkpoint(tmp_path / 'run.pth')
    buffer = found['message_hub']['log_scalars']['train/loss']
    assert isinstance(buffer, HistoryBuffer) and buffer.mean() == 1.0 and buffer.statistics('max') == 1.5
    assert found['message_hub']['runtime_info']['best'] == 0.25
    kept = found['meta']['dataset_meta']
    assert kept['palette'].tolist() == [[0, 1, 2], [3, 4, 5]] and kept['part'] == slice(1, 4) and kept['n'] == 7
    assert kept['flags'].tolist() == [True, False] and kept['half'] == 0.5 and kept['i32'].dtype == np.int32


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path, )


class Reaching:
    """Reaches through getattr for what a class knows."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.mark.parametrize('content', [Hostile, lambda path: Reaching()])
def test_code_in_a_checkpoint_is_not_run(tmp_path, model, default_loader, content):
    torch.save(dict(state_dict=model.state_dict(), meta=content(tmp_path / 'made')), tmp_path / 'bad.pth')
    with pytest.raises(CheckpointMismatchError, match=r'bad\.pth: not readable as plain weights'):
        read_run_checkpoint(tmp_path / 'bad.pth')
    use_safe_loading()
    with pytest.raises(CheckpointMismatchError, match=r'bad\.pth'):
        load_checkpoint(model, str(tmp_path / 'bad.pth'))
    assert not (tmp_path / 'made').exists()


def test_safe_loading_still_loads(tmp_path, model, default_loader):
    use_safe_loading()
    wanted = {name: torch.rand_like(value) for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=wanted), tmp_path / 'good.pth')
    load_checkpoint(model, str(tmp_path / 'good.pth'), map_location='cpu')
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())
    with pytest.raises(FileNotFoundError, match=r'absent\.pth'):
        load_checkpoint(model, str(tmp_path / 'absent.pth'))


def test_compare_keys(model):
    state = {f'module.{name}': value for name, value in model.state_dict().items()}
    state['module.0.weight'] = torch.zeros(7, 7)
    del state['module.1.bias']
    state['other'] = torch.zeros(1)
    report = compare_keys(model, dict(state_dict=state, meta={}))
    assert report.matched == ['0.bias', '1.weight', '2.weight', '2.bias']
    assert report.missing == ['1.bias'] and report.unexpected == ['other']
    assert report.mismatched == ['0.weight (7, 7) instead of (3, 2)']
    assert '4 of 6 tensors found' in report.summary()


def test_strict_check_names_file_and_first_keys(model):
    state = dict(model.state_dict())
    check_keys(model, state, 'a.pth', strict=True)
    check_keys(model, {**state, 'more': torch.zeros(1)}, 'a.pth', strict=True)
    del state['1.bias']
    with pytest.raises(CheckpointMismatchError, match=r'a\.pth does not fit Sequential(?s:.*)1 missing: 1\.bias'):
        check_keys(model, state, 'a.pth', strict=True)
    check_keys(model, state, 'a.pth', strict=True, optional=('1', ))
    with pytest.raises(CheckpointMismatchError, match=r'0\.bias \(9,\) instead of \(3,\)'):
        check_keys(model, {**model.state_dict(), '0.bias': torch.zeros(9)}, 'a.pth', strict=True, optional=('0', ))


def test_half_of_the_tensors_are_enough_to_fine_tune(model):
    state = dict(model.state_dict())
    half = {name: state[name] for name in list(state)[:3]}
    assert len(check_keys(model, half, 'a.pth', strict=False).missing) == 3
    half.popitem()
    with pytest.raises(CheckpointMismatchError, match=r'a\.pth is a checkpoint of another model(?s:.*)2 of 6 tensors'):
        check_keys(model, half, 'a.pth', strict=False)
