"""Random numbers of clips: what a clip gets depends on its name and the iteration, not on its batch, padding or rank."""
from collections.abc import Sequence

import torch
from torch import Tensor

from mmicf.utils.random import clip_generator


def clip_normal(clip_ids: Sequence[str], stream: str, shape: Sequence[int], device: torch.device) -> Tensor:
    """(B, *shape) normal numbers."""
    return torch.stack([torch.randn(tuple(shape), generator=clip_generator(c, stream, device), device=device) for c in clip_ids])


def clip_uniform(clip_ids: Sequence[str], stream: str, shape: Sequence[int], device: torch.device) -> Tensor:
    """(B, *shape) uniform numbers in [0, 1)."""
    return torch.stack([torch.rand(tuple(shape), generator=clip_generator(c, stream, device), device=device) for c in clip_ids])


def token_normal(clip_ids: Sequence[str], stream: str, valid: Tensor, candidates: int, dims: int) -> Tensor:
    """(B, candidates, P, dims) normal numbers for the valid tokens (B, P), which come first; 0 in padding."""
    out = torch.zeros(*valid.shape[:1], candidates, valid.shape[1], dims, device=valid.device)
    for row, clip, count in zip(out, clip_ids, valid.sum(1).tolist(), strict=True):
        generator = clip_generator(clip, stream, valid.device)
        row[:, :count] = torch.randn(candidates, count, dims, generator=generator, device=valid.device)
    return out
