"""Means over pixels."""
import torch
from torch import Tensor


def masked_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Mean of a map (N, C, h, w) under a weight (N, h, w) ≥ 0 → (N, C); a frame of weight 0 gives 0."""
    return torch.einsum('nchw,nhw->nc', x, weight.to(x.dtype)) / (weight.sum((1, 2))[:, None] + 1e-6)
