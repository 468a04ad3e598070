"""Random starts: what differs between inputs survives deep stacks of ReLU layers."""
import pytest
import torch
from torch import nn

from mmicf.models.layers import init_centred


def stack(start, seed):
    torch.manual_seed(seed)
    layers = [nn.Linear(128, 128) for _ in range(8)]
    for layer in layers:
        start(layer)
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


def kaiming(layer):
    nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
    nn.init.zeros_(layer.bias)


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_differences_and_size_survive(seed):
    x = torch.randn(200, 128, generator=torch.Generator().manual_seed(seed))

    def share(y):
        return (y.var(0).mean() / y.square().mean()).item()

    centred, plain = stack(init_centred, seed)(x), stack(kaiming, seed)(x)
    assert share(plain) < 0.4 and share(centred) > 0.6  # the middle of unit Gaussians behind one ReLU: 0.68
    assert 0.25 < centred.square().mean() < 3  # 0.5 behind one ReLU


@pytest.mark.parametrize('layer', [nn.Conv2d(5, 7, 3), nn.Linear(45, 7)])
def test_weights_sum_to_zero_and_take_the_gain(layer):
    torch.manual_seed(0)
    init_centred(layer, gain=0.3)
    assert layer.weight.flatten(1).sum(1).abs().max() < 1e-5 and not layer.bias.any()
    assert layer.weight.std().item() == pytest.approx(0.3 / (0.3408 * 45)**0.5, rel=0.2)
