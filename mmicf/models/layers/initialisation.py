"""Random weights of layers behind a ReLU."""
import torch
from torch import nn


def init_centred(layer: nn.Conv2d | nn.Linear, gain: float = 1.) -> None:
    """Weights that sum to zero over the inputs of each output, zero bias; the variance of a unit Gaussian behind a ReLU is kept.

    What comes out of a ReLU has a positive mean that all inputs share. From layer to layer of plain Kaiming weights it grows at
    the cost of what differs between inputs; weights without a mean do not pass it on. The gain follows: of a unit Gaussian,
    ReLU leaves E[x²] − E[x]² = 1/2 − 1/(2π).
    """
    fan_in = layer.weight[0].numel()
    with torch.no_grad():
        layer.weight.normal_(std=gain * ((0.5 - 0.5 / torch.pi) * fan_in)**-0.5)
        layer.weight.sub_(layer.weight.flatten(1).mean(1).view(-1, *[1] * (layer.weight.dim() - 1)))
    nn.init.zeros_(layer.bias)
