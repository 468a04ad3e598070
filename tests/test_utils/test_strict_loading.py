import re
import time
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import nn

from mmicf.utils.strict_loading import CheckpointMismatchError, load_strict, read_checkpoint


def test_missing_file_names_the_published_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*absent\.pth; expected weights\.pth of example'):
        read_checkpoint(tmp_path / 'absent.pth', published='weights.pth of example')


@pytest.mark.parametrize('module', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
def test_metrics_saved_as_numpy_scalars_are_read(tmp_path, module):
    """By whichever name numpy 1 and 2 call their maker of scalars."""
    torch.save({'best': np.float64(0.5), 'epoch': np.int64(3), 'w': torch.ones(2)}, tmp_path / 'own.pth')
    with zipfile.ZipFile(tmp_path / 'own.pth') as own, zipfile.ZipFile(tmp_path / 'a.pth', 'w') as out:
        for name in own.namelist():
            content = own.read(name)
            if name.endswith('data.pkl'):
                assert b'core.multiarray\n' in content
                content = re.sub(rb'numpy\._?core\.multiarray\n', module + b'\n', content)
            out.writestr(name, content)
    content = read_checkpoint(tmp_path / 'a.pth', published='x')
    assert content['best'] == 0.5 and content['epoch'] == 3 and torch.equal(content['w'], torch.ones(2))


def test_code_and_other_files_are_refused(tmp_path):
    torch.save({'model': nn.Linear(2, 2)}, tmp_path / 'module.pth')
    torch.save([1], tmp_path / 'list.pth')
    (tmp_path / 'text.pth').write_bytes(b'<html>not found</html>')
    for name, found in (('module', 'not readable as plain weights'), ('list', 'holds a list'),
                        ('text', 'not readable as plain weights')):
        with pytest.raises(CheckpointMismatchError, match=rf'{name}\.pth: {found}.*expected the x file'):
            read_checkpoint(tmp_path / f'{name}.pth', published='the x file')


def test_every_difference_is_named_and_nothing_is_copied():
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = {'0.weight': torch.zeros(3, 2), '0.bias': torch.zeros(5), '1.bias': 'text', 'extra.weight': torch.zeros(1)}
    with pytest.raises(CheckpointMismatchError) as error:
        load_strict(module, state, path='a.pth', published='the x file')
    text = str(error.value)
    for part in ('a.pth does not fit Sequential', 'missing keys: 1 (1.weight)', 'unexpected keys: 1 (extra.weight)',
                 'not tensors: 1 (1.bias)', '0.bias: found (5,), expected (3,)', 'Expected the x file'):
        assert part in text
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_fitting_state_is_copied():
    source, target = nn.Linear(2, 3), nn.Linear(2, 3)
    load_strict(target, source.state_dict(), path='a.pth', published='x')
    assert torch.equal(source.weight, target.weight) and torch.equal(source.bias, target.bias)


def test_mmengine_reports_where_the_weights_come_from(monkeypatch):
    class Part(BaseModule):

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def init_weights(self):
            super().init_weights()
            state = {'layer.weight': torch.ones(3, 2), 'layer.bias': torch.ones(3)}
            load_strict(self, state, path='a.pth', published='x')

    class Whole(BaseModule):

        def __init__(self):
            super().__init__()
            self.part = Part()

    lines = []
    # The newest logger is the current one; an earlier test's may write to a file, past ``info``.
    logger = MMLogger.get_instance(f'report-{time.time_ns()}')
    monkeypatch.setattr(logger, 'info', lambda message, *args: lines.append(str(message)))
    Whole().init_weights()
    report = '\n'.join(lines)
    assert 'part.layer.weight' in report and 'Loaded from a.pth' in report
