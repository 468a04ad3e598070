"""A frozen tower inside a model that is trained, averaged, saved and moved."""
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.models.layers import FrozenTower


class Host(nn.Module):
    """Own weight → tower with batch statistics and dropout."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.own = nn.Linear(3, 4)
        self.side = nn.ModuleList([FrozenTower(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)))])

    def forward(self, x):
        return self.side[0].tower(self.own(x))


def snapshot(host):
    return {name: value.clone() for name, value in host.side[0].tower.state_dict().items()}


def test_a_training_step_changes_the_model_and_never_the_tower():
    init_default_scope('mmicf')
    host = Host().train()
    wrapper = build_optim_wrapper(host, dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.1)))
    held = {id(p) for group in wrapper.optimizer.param_groups for p in group['params']}
    assert held == {id(p) for p in host.own.parameters()}
    before, own = snapshot(host), host.own.weight.detach().clone()
    x = torch.randn(6, 3)
    assert torch.equal(host(x), host(x))  # no dropout, no batch statistics
    wrapper.update_params(host(x).square().mean())
    assert not torch.equal(host.own.weight, own)
    assert all(torch.equal(value, before[name]) for name, value in snapshot(host).items())  # running statistics among them
    host.requires_grad_(True)
    assert not any(p.requires_grad for p in host.side[0].tower.parameters())


def test_averaged_copies_share_the_tower():
    host = Host()
    average = ExponentialMovingAverage(host, momentum=0.5)
    assert average.module.side[0].tower is host.side[0].tower and average.module.own is not host.own
    before = snapshot(host)
    average.update_parameters(host)  # the first one copies
    with torch.no_grad():
        host.own.weight.add_(1)
    average.update_parameters(host)
    assert not torch.equal(average.module.own.weight, host.own.weight)
    assert all(torch.equal(value, before[name]) for name, value in snapshot(host).items())
    assert set(average.state_dict()) == {'steps', 'module.own.weight', 'module.own.bias'}


def test_saved_and_loaded_without_the_tower(tmp_path):
    host, other = Host(), Host()
    with torch.no_grad():
        host.own.weight.add_(1)
    torch.save(host.state_dict(), tmp_path / 'model.pth')
    before = snapshot(other)
    other.load_state_dict(torch.load(tmp_path / 'model.pth', weights_only=True), strict=True)
    assert torch.equal(other.own.weight, host.own.weight)
    assert all(torch.equal(value, before[name]) for name, value in snapshot(other).items())


def test_moves_with_the_model():
    host = Host().to(torch.float64)
    assert {value.dtype for value in snapshot(host).values() if value.is_floating_point()} == {torch.float64}
    assert host.to('meta').side[0].tower[0].weight.device.type == 'meta'
