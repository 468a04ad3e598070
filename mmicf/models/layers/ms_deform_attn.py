"""Multi-scale deformable attention (`Deformable DETR <https://arxiv.org/abs/2010.04159>`_, Eq. 3).

Sampling uses mmcv's CUDA op where it is compiled in, else an exact path on ``grid_sample``. Parameter names are those of mmcv's
``MultiScaleDeformableAttention``, so converted Mask2Former checkpoints load.
"""
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

try:  # mmcv without compiled ops has no mmcv._ext
    from mmcv.ops import get_compiling_cuda_version
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction as _CompiledSampling
    if get_compiling_cuda_version() == 'not available':  # ops for CPU alone
        _CompiledSampling = None
except ImportError:
    _CompiledSampling = None


def ms_deform_attn_sampling(value: Tensor, shapes: Sequence[tuple[int, int]], reference: Tensor, offsets: Tensor,
                            weights: Tensor) -> Tensor:
    """Weighted sum of bilinear samples over levels and points; zeros outside a map.

    Args:
        value: (N, S, heads, c), the levels' tokens one after another, S = Σ H_l·W_l.
        shapes: (H_l, W_l) of each level.
        reference: (L, 2) in [0, 1], x before y.
        offsets: (N, L, heads, levels, points, 2) in cells of the level.
        weights: (N, L, heads, levels, points).

    Returns:
        (N, L, heads·c).
    """
    # Under autocast the projections are half precision, in which neither coordinates nor sums over samples are exact enough.
    value, offsets, weights = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (value, offsets, weights))
    if value.is_cuda and _CompiledSampling is not None:
        starts = [sum(a * b for a, b in shapes[:i]) for i in range(len(shapes))]
        scale = offsets.new_tensor([[w, h] for h, w in shapes])[:, None]
        locations = reference[:, None, None, None] + offsets / scale
        return _CompiledSampling.apply(value.contiguous(), torch.tensor(shapes, device=value.device),
                                       torch.tensor(starts, device=value.device), locations.contiguous(), weights.contiguous(),
                                       len(value))  # im2col_step, which must divide N
    # On CPU bags are 4 to 5 times faster forward, but their backward pass is up to twice as slow.
    level_sampling = _sample_bags if value.device.type == 'cpu' and not torch.is_grad_enabled() else _sample_grid
    out = None
    for level, tokens in enumerate(value.split([h * w for h, w in shapes], 1)):
        h, w = shapes[level]
        # Cell coordinates with cell centres at whole numbers. x and y stay apart: broadcasting over an inner axis of 2 is slow.
        x = offsets[:, :, :, level, :, 0] + (reference[:, 0] * w - 0.5)[:, None, None]
        y = offsets[:, :, :, level, :, 1] + (reference[:, 1] * h - 0.5)[:, None, None]
        part = level_sampling(tokens, (h, w), x, y, weights[:, :, :, level])
        out = part if out is None else out + part
    return out


def _sample_grid(tokens: Tensor, shape: tuple[int, int], x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """One level on ``grid_sample``: (N, h·w, heads, c) at cells x, y, like weights (N, L, heads, points) → (N, L, heads·c)."""
    (h, w), (n, queries) = shape, weights.shape[:2]
    image = tokens.permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, shape)  # (N·heads, c, h, w)
    grid = torch.stack([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1], -1).transpose(1, 2).flatten(0, 1)  # (N·heads, L, points, 2)
    sampled = F.grid_sample(image, grid, mode='bilinear', padding_mode='zeros', align_corners=False)
    out = (sampled * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)  # (N·heads, c, L)
    return out.view(n, -1, queries).transpose(1, 2)


def _sample_bags(tokens: Tensor, shape: tuple[int, int], x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """As :func:`_sample_grid`: each output is one weighted bag of 4·points table rows.

    A border of zero rows around the map replaces every bounds check: a clamped location has all its weight on the border.
    """
    (h, w), (n, queries, heads) = shape, weights.shape[:3]
    table = F.pad(tokens.unflatten(1, shape), (0, 0, 0, 0, 1, 1, 1, 1)).reshape(-1, tokens.shape[-1])  # (N·(h+2)·(w+2)·heads, c)
    x, y = (x + 1).clamp(0, w + 1), (y + 1).clamp(0, h + 1)  # in cells of the bordered map
    with torch.no_grad():
        left, top = x.floor().clamp_(max=w), y.floor().clamp_(max=h)
        row = torch.add(left, top, alpha=w + 2).int().mul_(heads).add_(_arange(heads, x)[:, None])
        row += _arange(n, x)[:, None, None, None] * ((h + 2) * (w + 2) * heads)
        rows = torch.stack([row, row + heads, row + (w + 2) * heads, row + (w + 3) * heads], -1)
    fx, fy = x - left, y - top
    below = weights * fy
    above = weights - below
    above_right, below_right = above * fx, below * fx
    corners = torch.stack([above - above_right, above_right, below - below_right, below_right], -1)
    bags = n * queries * heads
    out = F.embedding_bag(rows.view(bags, -1), table, mode='sum', per_sample_weights=corners.view(bags, -1))
    return out.view(n, queries, -1)


def _arange(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, dtype=torch.int32, device=like.device)


class MSDeformAttention(nn.Module):
    """Multi-scale deformable self-attention of S tokens, (N, S, C) → (N, S, C), without residual.

    Args:
        embed_dims: C.
        num_heads, num_levels, num_points: as in the paper; 8, 3, 4 in Mask2Former.
    """

    def __init__(self, embed_dims: int = 256, num_heads: int = 8, num_levels: int = 3, num_points: int = 4) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        self.sampling_offsets = nn.Linear(embed_dims, num_heads * num_levels * num_points * 2)
        self.attention_weights = nn.Linear(embed_dims, num_heads * num_levels * num_points)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Head h starts by looking in direction 2πh/heads, point p at p+1 cells; all weights equal (Deformable DETR, A.4)."""
        nn.init.zeros_(self.sampling_offsets.weight)
        angle = torch.arange(self.num_heads, dtype=torch.float32) * (2 * math.pi / self.num_heads)
        direction = torch.stack([angle.cos(), angle.sin()], -1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, self.num_points + 1, dtype=torch.float32)
        bias = direction[:, None, None, :] * steps[None, None, :, None]  # (heads, 1, points, 2)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(bias.expand(-1, self.num_levels, -1, -1).flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, position: Tensor, reference: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """``x`` (N, S, C), ``position`` (1 or N, S, C), ``reference`` (S, 2) token centres in [0, 1], x before y."""
        n, s, _ = x.shape
        query = x + position
        value = self.value_proj(x).unflatten(-1, (self.num_heads, -1))
        dims = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).view(n, s, *dims, 2)
        weights = self.attention_weights(query).view(n, s, self.num_heads, -1).softmax(-1).view(n, s, *dims)
        return self.output_proj(ms_deform_attn_sampling(value, shapes, reference, offsets, weights))


def cell_centres(height: int, width: int, like: Tensor) -> Tensor:
    """(height·width, 2): x, y of each cell's centre in [0, 1]."""
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], -1)
