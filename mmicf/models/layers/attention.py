"""Attention, feed-forward and position blocks shared by the decoders.

Built on ``scaled_dot_product_attention`` with separate query, key and value projections: memory stays linear in the number of
visual tokens on GPUs, and a checkpoint's tensors have plain names.
"""
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Multi-head attention of ``query`` (N, L, C) over ``key`` (N, S, C) and ``value`` (N, S, C) → (N, L, C).

    Args:
        embed_dims: C.
        num_heads: must divide C.

    ``mask`` is boolean, broadcastable to (N, heads, L, S), True where attention is allowed.
    """

    def __init__(self, embed_dims: int, num_heads: int = 8) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims)
        self.value = nn.Linear(embed_dims, embed_dims)
        self.out = nn.Linear(embed_dims, embed_dims)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (N, L, C) -> (N, heads, L, C/heads)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, L, C), (N, S, C), (N, S, C) → (N, L, C)."""
        out = F.scaled_dot_product_attention(self._split(self.query(query)), self._split(self.key(key)),
                                             self._split(self.value(value)), attn_mask=mask)
        return self.out(out.transpose(1, 2).flatten(2))


class FFN(nn.Sequential):
    """(…, C) → (…, C) through ``hidden_dims`` and a ReLU."""

    def __init__(self, embed_dims: int, hidden_dims: int) -> None:
        super().__init__(nn.Linear(embed_dims, hidden_dims), nn.ReLU(inplace=True), nn.Linear(hidden_dims, embed_dims))
        for layer in (self[0], self[2]):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


class MLP(nn.Sequential):
    """``num_layers`` linear layers with ReLU between them, (…, in) → (…, out)."""

    def __init__(self, in_dims: int, hidden_dims: int, out_dims: int, num_layers: int = 3) -> None:
        sizes = [in_dims, *[hidden_dims] * (num_layers - 1), out_dims]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(sizes)):
            layers += [nn.Linear(a, b)] if i == num_layers - 1 else [nn.Linear(a, b), nn.ReLU(inplace=True)]
        super().__init__(*layers)


def sine_positions_1d(length: int, embed_dims: int, like: Tensor, temperature: float = 10000.) -> Tensor:
    """Sine code of positions 0..length-1, (length, embed_dims), on the device and in the dtype of ``like``."""
    rate = torch.arange(0, embed_dims, 2, device=like.device, dtype=torch.float32)
    angle = torch.arange(length, device=like.device, dtype=torch.float32)[:, None] * temperature**(-rate / embed_dims)
    return torch.cat([angle.sin(), angle.cos()], -1)[:, :embed_dims].to(like.dtype)


def sine_positions_2d(height: int, width: int, embed_dims: int, like: Tensor, temperature: float = 10000.,
                      normalize: bool = True) -> Tensor:
    """DETR's sine code of a grid, (1, embed_dims, height, width); y fills the first half.

    Cells are counted from 1, and with ``normalize`` scaled to 2π per side.

    Equal to mmdet's ``SinePositionalEncoding(num_feats=embed_dims // 2, normalize=normalize)`` without padding.
    """
    half = embed_dims // 2
    index = torch.arange(half, device=like.device, dtype=torch.float32)
    rate = temperature**(2 * torch.div(index, 2, rounding_mode='floor') / half)

    def code(length: int) -> Tensor:
        position = torch.arange(1, length + 1, device=like.device, dtype=torch.float32)
        if normalize:
            position = position / (length + 1e-6) * 2 * math.pi
        angle = position[:, None] / rate
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], -1).flatten(1)  # (length, half)

    y = code(height).T[:, :, None].expand(half, height, width)
    x = code(width).T[:, None, :].expand(half, height, width)
    return torch.cat([y, x])[None].to(like.dtype)
