"""A convolution of an upsampled map that never makes the upsampled map."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_of_upsampled(x: Tensor, conv: nn.Conv2d, scale: int) -> Tensor:
    """``conv(F.interpolate(x, scale_factor=scale, mode='bilinear', align_corners=False))``, exactly but for rounding.

    Upsampling is linear, acts on each channel alone and on rows and columns apart. So each of the k² taps mixes the channels of the
    small map, and one matrix along each axis upsamples, shifts and sums the taps: with k = 3 and scale 4, a third of the
    multiplications, and no map of C channels at the large size.

    Args:
        x: (N, C, h, w).
        conv: k×k with odd k, zero padding of k // 2, stride 1, one group.
        scale: whole number.

    Returns:
        (N, O, scale·h, scale·w).

    Raises:
        ValueError: a convolution of another kind.
    """
    k = conv.kernel_size[0]
    if (conv.kernel_size != (k, k) or k % 2 == 0 or conv.padding != (k // 2, k // 2) or conv.padding_mode != 'zeros'
            or conv.stride != (1, 1) or conv.dilation != (1, 1) or conv.groups != 1):
        raise ValueError(f'the convolution must be k×k (odd) with zero padding k//2, stride 1, one group; found {conv}')
    h, w = x.shape[-2:]
    taps = conv.weight.permute(2, 0, 3, 1).flatten(0, 2)[..., None, None]  # (k·O·k, C, 1, 1), rows of taps before columns
    mixed = F.conv2d(x, taps).unflatten(1, (k, -1, k)).transpose(3, 4).flatten(4)  # (N, k, O, h, k·w)
    wide = mixed @ _upsampling(w, scale, k, x)  # (N, k, O, h, scale·w)
    out = _upsampling(h, scale, k, x).T @ wide.transpose(1, 2).flatten(2, 3)  # (N, O, scale·h, scale·w)
    return out if conv.bias is None else out + conv.bias[:, None, None]


def _upsampling(length: int, scale: int, taps: int, like: Tensor) -> Tensor:
    """(taps·length, scale·length): from each tap's row to the upsampled row as that tap sees it, zero where it sees padding."""
    one = torch.eye(length, dtype=like.dtype, device=like.device)
    upsampled = F.interpolate(one[None], scale_factor=scale, mode='linear', align_corners=False)[0]  # (length, scale·length)
    padded = F.pad(upsampled, (taps // 2, taps // 2))
    return torch.cat([padded[:, tap:tap + scale * length] for tap in range(taps)])
