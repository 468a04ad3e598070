"""A model and data of other classes do not meet, in training, validation and test, of every config."""
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.engine import NumClassesHook
from mmicf.registry import HOOKS

CONFIGS = Path(__file__).parents[2] / 'configs'


class Head(nn.Module):

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes


class Model(nn.Module):

    def __init__(self, head):
        super().__init__()
        self.decode_head = head


def runner(head, **classes):
    loaders = {f'{name}_dataloader': SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=tuple('abcdefg'[:n]))))
               for name, n in classes.items()}
    return SimpleNamespace(model=Model(head), **loaders)


@pytest.mark.parametrize('stage', ['train', 'val', 'test'])
def test_other_classes_are_refused_by_name(stage):
    check = getattr(NumClassesHook(), f'before_{stage}')
    check(runner(Head(2), **{stage: 2}))
    check(runner(Head(7), **{stage: 7}))
    check(runner(nn.Linear(1, 1), **{stage: 2}))  # a head that does not say
    for own, found in ((2, 7), (7, 2)):
        with pytest.raises(ValueError, match=rf'SimpleNamespace: found {found} classes \(a, b.*expected the {own} of Head'):
            check(runner(Head(own), **{stage: found}))


@pytest.mark.parametrize('path', ['icf/icf_pvt_ms3.py', 'ddeseg/ddeseg_mit_avss.py', 'avsegformer/avsegformer_pvt_s4.py'])
def test_runs_of_the_configs_have_it(path):
    init_default_scope('mmicf')
    hooks = [HOOKS.build(hook) for hook in Config.fromfile(CONFIGS / path).custom_hooks]
    assert sum(isinstance(hook, NumClassesHook) for hook in hooks) == 1
