import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from mmicf.registry import MODELS

SPARED = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d, nn.Embedding)


def groups_by_name(model: nn.Module, **optim_wrapper) -> dict[str, dict]:
    names = {id(p): name for name, p in model.named_parameters()}
    with DefaultScope.overwrite_default_scope('mmicf'):
        wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', constructor='NormDecayConstructor', **optim_wrapper))
    return {names[id(group['params'][0])]: group for group in wrapper.optimizer.param_groups}


def test_norms_and_embeddings_do_not_decay_and_keep_the_rate_of_their_part():
    model = nn.ModuleDict({
        'backbone': nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4)),
        'head': nn.ModuleDict({'norm': nn.LayerNorm(4), 'table': nn.Embedding(2, 4), 'out': nn.Linear(4, 2)})})
    groups = groups_by_name(
        model, optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.1),
        paramwise_cfg=dict(norm_decay_mult=0.5, custom_keys={'backbone': dict(lr_mult=0.1), 'out.bias': dict(decay_mult=0.)}))
    found = {name: (group['lr'], group['weight_decay']) for name, group in groups.items()}
    slow, fast, spared = pytest.approx(1e-4), pytest.approx(1e-3), pytest.approx(0.05)
    assert found == {
        'backbone.0.weight': (slow, 0.1), 'backbone.0.bias': (slow, 0.1), 'backbone.1.weight': (slow, spared),
        'backbone.1.bias': (slow, spared), 'backbone.2.weight': (slow, spared), 'backbone.2.bias': (slow, spared),
        'head.norm.weight': (fast, spared), 'head.norm.bias': (fast, spared), 'head.table.weight': (fast, spared),
        'head.out.weight': (fast, 0.1), 'head.out.bias': (fast, 0.)}


@pytest.mark.parametrize('name', ['icf/icf_tiny_synthetic', 'combo/combo_tiny_synthetic'])
def test_of_the_schedule_nothing_else_is_spared_but_what_it_names(name):
    cfg = Config.fromfile(f'configs/{name}.py')
    model = MODELS.build({**cfg.model, '_scope_': 'mmicf'})
    groups = groups_by_name(model, **{key: value for key, value in cfg.optim_wrapper.items() if key not in ('type', 'constructor')})
    assert cfg.optim_wrapper.constructor == 'NormDecayConstructor'
    zero = {key for key, options in cfg.optim_wrapper.paramwise_cfg.custom_keys.items() if options.get('decay_mult') == 0}
    modules = dict(model.named_modules())
    for parameter, group in groups.items():
        inside = isinstance(modules[parameter.rpartition('.')[0]], SPARED)
        assert (group['weight_decay'] == 0) == (inside or any(key in parameter for key in zero)), parameter
