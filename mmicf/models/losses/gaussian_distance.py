"""Distance and entropy of Gaussians that are given by few rows in many dimensions; no D×D matrix is ever made.

Rows (…, T, D) with weights w stand for N(μ, Σ), μ = Σ_t w_t x_t and Σ = Σ_t w_t (x_t − μ)(x_t − μ)ᵀ (Eq. 13 where w = 1/T). With X
the centred rows scaled by √w, Σ = XᵀX. Its eigenvalues other than 0 are those of the Gram matrix XXᵀ (T×T), and
Tr (Σ_x Σ_y)^{1/2} is the sum of the singular values of XYᵀ (T×N). Both are exact, also where Σ is singular.
"""
import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gaussian_w2(x: Tensor, y: Tensor, wx: Tensor | None = None, wy: Tensor | None = None) -> Tensor:
    """Squared 2-Wasserstein distance ‖μ_x − μ_y‖² + Tr(Σ_x + Σ_y − 2 (Σ_x Σ_y)^{1/2}) of two Gaussians (Eq. 15 without entropy).

    At least float32, also under autocast. Equal distributions may give a rounding error below 0. Where the distance has a kink
    (all rows of one side equal) the gradient is the subgradient of least norm.

    Args:
        x, y: (…, T, D) and (…, N, D); the leading dimensions broadcast. (B, 1, T, D) and (1, B, N, D) give all pairs at the cost
            of one matrix product.
        wx, wy: (…, T) and (…, N), each row sums to 1; None: 1/T and 1/N. Rows of weight 0 are padding, whatever they hold.

    Returns:
        (…).

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(x, wx, 'x')
    _check(y, wy, 'y')
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f'x and y must have one width D, got the shapes {tuple(x.shape)} and {tuple(y.shape)}')
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
        mean_x, factor_x = _moments(x.to(dtype), wx)
        mean_y, factor_y = _moments(y.to(dtype), wy)
        power_x = mean_x.square().sum(-1) + factor_x.square().sum((-2, -1))  # E|x|²
        power_y = mean_y.square().sum(-1) + factor_y.square().sum((-2, -1))
        # einsum, not matmul: matmul would copy each clip's rows once for every pair
        cross = torch.einsum('...td,...nd->...tn', factor_x, factor_y)
        # rounding of the centred rows, below which a singular value has no direction
        noise = (power_x * power_y).detach().sqrt() * torch.finfo(dtype).eps * max(cross.shape[-2:])
        nuclear = _NuclearNorm.apply(cross, noise)
        return power_x + power_y - 2 * (torch.einsum('...d,...d->...', mean_x, mean_y) + nuclear)


def gaussian_entropy(x: Tensor, eps: float = 1e-3, w: Tensor | None = None) -> Tensor:
    """Differential entropy of N(μ, Σ + εI) in nats (Eq. 14, where Σ alone has entropy −∞ as soon as T ≤ D).

    Args:
        x: (…, T, D).
        eps: ε, a variance.
        w: (…, T), each row sums to 1; None: 1/T. Rows of weight 0 are padding.

    Returns:
        (…), at least float32.

    Raises:
        ValueError: shapes that do not fit, or ``eps`` not above 0.
    """
    spread = _log_spread(x, eps, w)
    return 0.5 * (x.shape[-1] * math.log(2 * math.pi * math.e * eps) + spread)


def relative_entropy(x: Tensor, eps: float = 1e-3, w: Tensor | None = None) -> Tensor:
    """Entropy above that of T equal rows, per degree of freedom: Σ log(1 + λ_i/ε) / (2·max(1, T − 1)), λ_i eigenvalues of Σ.

    Neither D nor T sets its size, so clips of any length compare; T counts the rows of weight above 0. Arguments as in
    :func:`gaussian_entropy`.
    """
    spread = _log_spread(x, eps, w)
    freedom = max(1, x.shape[-2] - 1) if w is None else ((w > 0).sum(-1) - 1).clamp(min=1)
    return spread / (2 * freedom)


def _check(x: Tensor, w: Tensor | None, name: str) -> None:
    if x.ndim < 2 or x.shape[-2] == 0:
        raise ValueError(f'{name} must be (…, T, D) with T of at least 1, got shape {tuple(x.shape)}')
    if w is not None and (w.ndim < 1 or w.shape[-1] != x.shape[-2]):
        raise ValueError(f'{name} has {x.shape[-2]} rows, its weights have shape {tuple(w.shape)}')


def _moments(x: Tensor, w: Tensor | None) -> tuple[Tensor, Tensor]:
    """μ (…, D) and X (…, T, D) with Σ = XᵀX."""
    if w is None:
        mean = x.mean(-2)
        return mean, (x - mean[..., None, :]) / math.sqrt(x.shape[-2])
    w = w.to(x.dtype)[..., None]
    real = w > 0
    x = torch.where(real, x, 0.)
    mean = (w * x).sum(-2)
    root = torch.where(real, w, 1.).sqrt()  # √0 would have an infinite gradient
    return mean, torch.where(real, root * (x - mean[..., None, :]), 0.)


def _log_spread(x: Tensor, eps: float, w: Tensor | None) -> Tensor:
    """log det(I + Σ/ε) = Σ log(1 + λ_i/ε), (…, T, D) → (…)."""
    _check(x, w, 'x')
    if eps <= 0:
        raise ValueError(f'eps must be above 0, got {eps}')
    with torch.autocast(x.device.type, enabled=False):
        _, factor = _moments(x.to(torch.promote_types(x.dtype, torch.float32)), w)
        # a function of the eigenvalues alone: its gradient has no 1/(λ_i − λ_j), and equal rows are no special case
        return torch.log1p(torch.linalg.eigvalsh(factor @ factor.mT).clamp(min=0) / eps).sum(-1)


class _NuclearNorm(torch.autograd.Function):
    """Sum of the singular values of small matrices (…, T, N) → (…).

    Centred rows make every such matrix singular, and autograd's backward through square roots of eigenvalues would divide by 0.
    The gradient here is U Vᵀ over the singular values above ``noise`` (…): exact where it exists, the subgradient of least norm
    elsewhere.
    """

    @staticmethod
    def forward(ctx, matrix: Tensor, noise: Tensor) -> Tensor:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        ctx.save_for_backward((u * (s > noise[..., None])[..., None, :]) @ vh)
        return s.sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        polar, = ctx.saved_tensors
        return grad[..., None, None] * polar, None
