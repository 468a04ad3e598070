"""Orthogonal rotation of text tokens: from z towards a direction r ⟂ z (ICF Eq. 7-8)."""
import torch
import torch.nn.functional as F
from torch import Tensor


def orthogonal_direction(r: Tensor, *units: Tensor) -> Tensor:
    """Unit vectors along ``r`` (…, D) without its part along ``units`` (…, D), which are orthonormal (Gram-Schmidt, Eq. 7).

    Eq. 7 prints a norm bar where the vector itself is meant; a second pass takes out what rounding left of the first.
    """
    for _ in range(2):
        for unit in units:
            r = r - (r * unit).sum(-1, keepdim=True) * unit
        r = F.normalize(r, dim=-1)
    return r


def rotate(z: Tensor, r: Tensor, rate: Tensor) -> Tensor:
    """√(1 − rate)·z + √rate·|z|·r (Eq. 8) for a unit r ⟂ z; the norm stays, the cosine to z becomes √(1 − rate)."""
    return (1 - rate).sqrt() * z + rate.sqrt() * z.norm(dim=-1, keepdim=True) * r


def rotate_tokens(z: Tensor, clip_r: Tensor | None, token_r: Tensor | None, clip_rate: Tensor, token_rate: Tensor) -> Tensor:
    """Inter-sample, then intra-sample rotation of tokens (…, P, D).

    The clip's direction is orthogonal to z, the token's to z and to the first, so that with both the cosine to z is
    √((1 − clip_rate)·(1 − token_rate)).

    Args:
        z: tokens.
        clip_r: (…, 1, D), one direction per clip, or None: no inter-sample rotation.
        token_r: (…, P, D), one per token, or None: no intra-sample rotation.
        clip_rate: α·m in [0, 1], (…, 1, 1).
        token_rate: α·s in [0, 1], (…, P, 1).
    """
    units = [F.normalize(z, dim=-1)]
    if clip_r is not None:
        direction = orthogonal_direction(clip_r.expand_as(z), *units)
        z = rotate(z, direction, clip_rate)
        units.append(direction)
    if token_r is not None:
        z = rotate(z, orthogonal_direction(token_r, *units), token_rate)
    return z


def ortho_loss(rotated: Tensor, z: Tensor, weight: float) -> Tensor:
    """Eq. 10 for vectors (…, D) of equal norms, ‖z' − z‖² + λ_z (z'·z)² → (…).

    Scaled to squared norm 2.5, where the optimum is the cosine 1/(λ_z·2.5), 0.5 for the paper's λ_z = 0.8. For unit vectors there
    is no inner optimum: the loss would ask for no change at all (docs/en/decisions.md, "Eq. 10").
    """
    a, b = (F.normalize(x, dim=-1) * 2.5**0.5 for x in (rotated, z))
    return (a - b).square().sum(-1) + weight * (a * b).sum(-1).square()


def weighted_mean(tokens: Tensor, weight: Tensor) -> Tensor:
    """(…, P, D) under weights (…, P) → (…, D)."""
    return torch.einsum('...pd,...p->...d', tokens, weight)
