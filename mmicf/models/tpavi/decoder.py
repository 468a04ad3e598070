"""Coarse-to-fine decoder of AVSBench's TPAVI model: dilated convolutions per stage, then fusion from coarse to fine."""
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import conv_of_upsampled


class DilatedSum(nn.Module):
    """Four dilated 3×3 convolutions, summed, (N, C_in, h, w) → (N, C, h, w)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv2d_list = nn.ModuleList([nn.Conv2d(in_channels, channels, 3, padding=d, dilation=d) for d in (3, 6, 12, 18)])
        for conv in self.conv2d_list:
            nn.init.normal_(conv.weight, 0, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) → (N, C, h, w)."""
        out = self.conv2d_list[0](x)
        for conv in self.conv2d_list[1:]:
            out = out + conv(x)
        return out


class ResidualConvUnit(nn.Module):
    """ReLU, 3×3, ReLU, 3×3, plus ReLU of the input: the published first ReLU works in place, so the skip carries it too."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, h, w)."""
        x = F.relu(x)
        return self.conv2(F.relu(self.conv1(x))) + x


class FusionBlock(nn.Module):
    """Adds a finer map to what came from the coarser ones, and resizes the sum.

    Args:
        channels: C.
        skip: there is a finer map to add; the coarsest block has none (its published file holds a unit that nothing runs).
    """

    def __init__(self, channels: int, skip: bool) -> None:
        super().__init__()
        self.resConfUnit1 = ResidualConvUnit(channels) if skip else None
        self.resConfUnit2 = ResidualConvUnit(channels)

    def forward(self, x: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        """Coarse map (N, C, h, w) and, if there is one, the finer (N, C, h, w) → (N, C, *size)."""
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        return F.interpolate(self.resConfUnit2(x), size=tuple(size), mode='bilinear', align_corners=True)


class OutputConv(nn.Sequential):
    """(N, C, h, w) → logits (N, out, 2h, 2w)."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels // 2, 3, padding=1), nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False),
            nn.Conv2d(channels // 2, 32, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(32, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """As the layers one after another; the second and third in one."""
        return self[4](self[3](conv_of_upsampled(self[0](x), self[2], int(self[1].scale_factor))))
