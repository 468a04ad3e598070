"""What CDCL compares of two clips' sets of rows: their distributions, their prototypes or the rows themselves (Table 2).

Each distance first summarises sets, (…, T, D) unit rows with weights (…, T) that sum to 1 and are 0 in padding, by a tuple of
tensors (…, ·); then it compares two such tuples whose leading dimensions broadcast. Padded rows are 0.
"""
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian_distance import factor_entropy, factor_w2, gaussian_factor


class GaussianSummary(NamedTuple):
    """Factor (…, T, D) and relative entropy times γ (…) of a set."""
    factor: Tensor
    entropy: Tensor


class PrototypeSummary(NamedTuple):
    """Unit mean (…, D) of a set."""
    mean: Tensor


class FeatureSummary(NamedTuple):
    """Rows (…, T, D) and the logarithm of their weights (…, T), −∞ in padding."""
    rows: Tensor
    log_weight: Tensor


Summary = GaussianSummary | PrototypeSummary | FeatureSummary


def at(summary: Summary, view: Callable[[Tensor], Tensor]) -> Summary:
    """The summary with ``view`` of its leading dimensions."""
    return type(summary)(*map(view, summary))


def halves(summary: Summary) -> tuple[Summary, Summary]:
    """The two summaries of a stack (2, …)."""
    first, second = zip(*(x.unbind() for x in summary), strict=True)
    return type(summary)(*first), type(summary)(*second)


class DistributionDistance:
    """D = W₂² + γ (H(x) + H(y)) (Eq. 15), H relative to its floor.

    Args:
        entropy_weight: γ.
        eps: ε of the entropy, a variance.
    """

    def __init__(self, entropy_weight: float, eps: float) -> None:
        self.entropy_weight, self.eps = entropy_weight, eps

    def summarise(self, rows: Tensor, weight: Tensor) -> GaussianSummary:
        factor = gaussian_factor(rows, weight)
        if self.entropy_weight == 0:
            return GaussianSummary(factor, factor.new_zeros(factor.shape[:-2]))
        return GaussianSummary(factor, factor_entropy(factor, weight, self.eps, self.entropy_weight))

    def entropy(self, x: GaussianSummary, y: GaussianSummary) -> Tensor:
        """What the entropies add to D."""
        return x.entropy + y.entropy

    def __call__(self, x: GaussianSummary, y: GaussianSummary) -> Tensor:
        w2 = factor_w2(x.factor, y.factor)
        return w2 + self.entropy(x, y) if self.entropy_weight else w2


class PrototypeDistance:
    """Squared distance of the unit prototypes, 2 − 2 cos(μ_x, μ_y), in [0, 4]."""

    def summarise(self, rows: Tensor, weight: Tensor) -> PrototypeSummary:
        return PrototypeSummary(F.normalize((rows * weight[..., None]).sum(-2), dim=-1, eps=1e-3))

    def __call__(self, x: PrototypeSummary, y: PrototypeSummary) -> Tensor:
        return 2 - 2 * torch.einsum('...d,...d->...', x.mean, y.mean)


class FeatureDistance:
    """−τ log Σ_tn w_t w_n exp(−‖x_t − y_n‖²/τ): with D' = exp(−D/τ), InfoNCE whose samples are all pairs of rows.

    The plain mean of the rows' cosine distances is 2 − 2 μ_x·μ_y, a function of the means, and would be a prototype again.

    Args:
        temperature: τ of the contrast.
    """

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def summarise(self, rows: Tensor, weight: Tensor) -> FeatureSummary:
        padding = weight <= 0
        return FeatureSummary(rows, weight.masked_fill(padding, 1.).log().masked_fill(padding, -torch.inf))

    def __call__(self, x: FeatureSummary, y: FeatureSummary) -> Tensor:
        near = (2 * torch.einsum('...td,...nd->...tn', x.rows, y.rows) - 2) / self.temperature
        log_weight = x.log_weight[..., :, None] + y.log_weight[..., None, :]
        return -self.temperature * (near + log_weight).logsumexp((-2, -1))
