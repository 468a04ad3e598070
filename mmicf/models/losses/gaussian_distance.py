"""Distance and entropy of Gaussians that are given by few rows in many dimensions; no D×D matrix is ever made.

Rows (…, T, D) with weights w stand for N(μ, Σ), μ = Σ_t w_t x_t and Σ = Σ_t w_t (x_t − μ)(x_t − μ)ᵀ (Eq. 13 where w = 1/T). The
T × T reflection that turns √w into the first axis turns the rows √w_t x_t into the *factor*: μ, then T − 1 rows X with XᵀX = Σ. Σ's
eigenvalues other than 0 are those of the small XXᵀ, and Tr (Σ_x Σ_y)^{1/2} is the sum of the singular values of the small XYᵀ. Both
are exact, also where Σ is singular.
"""
import math

import torch
import torch.nn.functional as F
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
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f'x and y must have one width D, got the shapes {tuple(x.shape)} and {tuple(y.shape)}')
    dtype = torch.promote_types(x.dtype, y.dtype)
    return factor_w2(gaussian_factor(_real(x, wx).to(dtype), wx), gaussian_factor(_real(y, wy).to(dtype), wy))


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
    spread = _log_spread(gaussian_factor(_real(x, w), w), eps)
    return 0.5 * (x.shape[-1] * math.log(2 * math.pi * math.e * eps) + spread)


def relative_entropy(x: Tensor, eps: float = 1e-3, w: Tensor | None = None) -> Tensor:
    """Entropy above that of equal rows, per degree of freedom: Σ log(1 + λ_i/ε) / (2·max(1, T − 1)), λ_i eigenvalues of Σ.

    Neither D nor T sets its size, so clips of any length compare; T counts the rows of weight above 0. Arguments as in
    :func:`gaussian_entropy`.
    """
    return factor_entropy(gaussian_factor(_real(x, w), w), w, eps)


def _real(x: Tensor, w: Tensor | None) -> Tensor:
    """``x`` with 0 in padding, in place of what may be infinite there."""
    _check(x, w)
    return x if w is None else x.masked_fill(w[..., None] <= 0, 0.)


def _check(x: Tensor, w: Tensor | None) -> None:
    if x.ndim < 2 or x.shape[-2] == 0:
        raise ValueError(f'rows must be (…, T, D) with T of at least 1, got shape {tuple(x.shape)}')
    if w is not None and (w.ndim == 0 or w.shape[-1] != x.shape[-2]):
        raise ValueError(f'rows of shape {tuple(x.shape)} need as many weights, got shape {tuple(w.shape)}')


def gaussian_factor(x: Tensor, w: Tensor | None = None) -> Tensor:
    """μ over X, (…, T, D), of finite rows (…, T, D) with weights (…, T) that sum to 1; at least float32."""
    _check(x, w)
    dtype = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        w = torch.full(x.shape[-2:-1], 1 / x.shape[-2], device=x.device, dtype=dtype) if w is None else w.to(dtype)
        # √0 would have an infinite gradient, and with numbers near the smallest float LAPACK's eigh may return NaN.
        counts = w > 1e-20
        root = torch.where(counts, w, 1.).sqrt() * counts
        eye = torch.eye(w.shape[-1], device=x.device, dtype=dtype)
        normal = root + eye[0]  # Householder: I − nnᵀ/(1 + √w_1) turns √w into −e_1, so that its negative gives μ, not −μ
        reflection = normal[..., :, None] * (normal / (1 + root[..., :1]))[..., None, :] - eye
        return (reflection * root[..., None, :]) @ x.to(dtype)


def factor_w2(x: Tensor, y: Tensor) -> Tensor:
    """:func:`gaussian_w2` of two factors (…, T, D) and (…, N, D)."""
    with torch.autocast(x.device.type, enabled=False):
        # einsum, not matmul: matmul would copy each clip's rows once for every pair
        return _DistanceOfProducts.apply(torch.einsum('...td,...nd->...tn', x, y), x, y)


def factor_entropy(x: Tensor, w: Tensor | None = None, eps: float = 1e-3, scale: float = 1.) -> Tensor:
    """``scale`` × :func:`relative_entropy` of a factor (…, T, D) whose rows had weights (…, T)."""
    freedom = max(1, x.shape[-2] - 1) if w is None else ((w > 0).sum(-1) - 1).clamp(min=1)
    return _log_spread(x, eps) * (0.5 * scale / freedom)


def _log_spread(factor: Tensor, eps: float) -> Tensor:
    """log det(I + Σ/ε) = Σ log(1 + λ_i/ε), (…, T, D) → (…)."""
    if eps <= 0:
        raise ValueError(f'eps must be above 0, got {eps}')
    with torch.autocast(factor.device.type, enabled=False):
        return _LogSpread.apply(factor, eps)


# The two functions below hand autograd the gradient that the forward's decomposition already holds. That is exact where autograd
# would divide by singular values of 0 (equal frames, padding), and saves most of the small operations. Where no gradient is wanted,
# the values alone are found.


class _LogSpread(torch.autograd.Function):
    """log det(I + XXᵀ/ε) of factors; the gradient in X is 2 (XXᵀ + εI)⁻¹ X."""

    @staticmethod
    def forward(ctx, factor: Tensor, eps: float) -> Tensor:
        centred = factor[..., 1:, :]
        gram = centred @ centred.mT
        if not ctx.needs_input_grad[0]:
            return torch.log1p(torch.linalg.eigvalsh(gram).clamp_(min=0) / eps).sum(-1)
        values, vectors = torch.linalg.eigh(gram)
        values = values.clamp_(min=0)
        slope = (vectors * (2 / (values + eps))[..., None, :]) @ (vectors.mT @ centred)
        ctx.save_for_backward(F.pad(slope, (0, 0, 1, 0)))  # μ has no part in it
        return torch.log1p(values / eps).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        slope, = ctx.saved_tensors
        return grad[..., None, None] * slope, None


class _DistanceOfProducts(torch.autograd.Function):
    """‖x‖² + ‖y‖² − 2 (μ_x·μ_y + ‖XYᵀ‖_*) of two factors and their products (…, T, N).

    The gradient of the nuclear norm is U Vᵀ over the singular values above rounding: exact where it exists, the subgradient of
    least norm elsewhere.
    """

    @staticmethod
    def forward(ctx, products: Tensor, x: Tensor, y: Tensor) -> Tensor:
        power_x, power_y = x.square().sum((-2, -1)), y.square().sum((-2, -1))
        if not any(ctx.needs_input_grad):
            return power_x + power_y - 2 * (products[..., 0, 0] + torch.linalg.svdvals(products[..., 1:, 1:]).sum(-1))
        u, s, vh = torch.linalg.svd(products[..., 1:, 1:], full_matrices=False)
        noise = (power_x * power_y).sqrt() * (torch.finfo(s.dtype).eps * max(products.shape[-2:]))
        polar = F.pad((u * (s > noise[..., None])[..., None, :]) @ vh, (1, 0, 1, 0))
        polar[..., 0, 0] = 1
        ctx.save_for_backward(polar, x, y)
        return power_x + power_y - 2 * (products[..., 0, 0] + s.sum(-1))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        polar, x, y = ctx.saved_tensors
        grad = 2 * grad[..., None, None]
        return -grad * polar, *(grad.sum_to_size(*z.shape[:-2], 1, 1) * z for z in (x, y))
