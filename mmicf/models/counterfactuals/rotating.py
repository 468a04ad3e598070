"""What counterfactuals made by rotation have in common: degrees, directions, L_ortho, and the pool (ICF Eq. 7, 8, 10, 12)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.structures import Counterfactuals, FactualText
from mmicf.utils.dist import all_reduce_mean

from ..layers import MLP
from .draws import clip_normal, clip_uniform, token_normal
from .rotation import ortho_loss, rotate_tokens, weighted_mean

MIN_RATE = 0.01  # m and s lie in (0, 1]


def unit_variance(tokens: Tensor, valid: Tensor) -> Tensor:
    """Tokens (…, P, D) at norm √D, 0 in padding ``valid`` (…, P)."""
    return F.normalize(tokens.float(), dim=-1) * tokens.shape[-1]**0.5 * valid[..., None]


class RotatingCounterfactual(BaseModule):
    """Degrees of rotation of each clip and token, and the choice of the pool.

    Args:
        embed_dims: D.
        num_counterfactuals: k^c; twice as many candidates are made.
        alpha_range: bounds of α. One learned α per run, jittered between the bounds for each candidate.
        inter_sample: rotate by one direction per clip, to a degree m learned from z.
        intra_sample: rotate by one direction per token, to a degree s learned from the token.
        ortho_weight: λ_ortho.
        similarity_weight: λ_z.
        loss_weight: λ_cf.
    """

    def __init__(self, *, embed_dims: int, num_counterfactuals: int, alpha_range: Sequence[float], inter_sample: bool,
                 intra_sample: bool, ortho_weight: float, similarity_weight: float, loss_weight: float) -> None:
        super().__init__()
        low, high = alpha_range
        if not 0 < low <= high <= 1:
            raise ValueError(f'alpha_range must be ascending within (0, 1], got {tuple(alpha_range)}')
        if not (inter_sample or intra_sample):
            raise ValueError('inter_sample and intra_sample are both off: nothing would be counterfactual')
        if num_counterfactuals < 1:
            raise ValueError(f'num_counterfactuals must be at least 1, got {num_counterfactuals}')
        self.num_counterfactuals, self.alpha_range = num_counterfactuals, (low, high)
        self.inter_sample, self.intra_sample = inter_sample, intra_sample
        self.ortho_weight, self.similarity_weight, self.loss_weight = ortho_weight, similarity_weight, loss_weight
        self.alpha = nn.Parameter(torch.zeros(()))
        self.clip_degree = MLP(embed_dims, 64, 1) if inter_sample else None
        self.token_degree = MLP(embed_dims, 64, 1) if intra_sample else None

    def degrees(self, z: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """m (B, 1, 1) and s (B, P, 1) of tokens z (B, P, D); 0 where that rotation is off."""
        m, s = z.new_zeros(len(z), 1, 1), z.new_zeros(*z.shape[:2], 1)
        if self.inter_sample:
            m = MIN_RATE + (1 - MIN_RATE) * self.clip_degree(weighted_mean(z, weight))[:, None].sigmoid()
        if self.intra_sample:
            s = MIN_RATE + (1 - MIN_RATE) * self.token_degree(z).sigmoid()
        return m, s

    def jittered_alpha(self, clip_ids: Sequence[str], stream: str, candidates: int) -> Tensor:
        """(B, candidates) α within its bounds: half the learned one, half uniform."""
        low, high = self.alpha_range
        draw = clip_uniform(clip_ids, stream, (candidates, ), self.alpha.device)
        return low + (high - low) * (0.5 * self.alpha.sigmoid() + 0.5 * draw)

    def rotate(self, z: Tensor, text: FactualText, clip_ids: Sequence[str], stream: str, alpha: Tensor, m: Tensor,
               s: Tensor) -> Tensor:
        """z' (B, K, P, D) of tokens z (B, K, P, D), with degrees α (B, K), m (B, 1, 1) and s (B, P, 1)."""
        candidates, dims = z.shape[1], z.shape[-1]
        clip_r = token_r = None
        if self.inter_sample:
            clip_r = clip_normal(clip_ids, f'{stream}.clip', (candidates, 1, dims), z.device)
        if self.intra_sample:
            token_r = token_normal(clip_ids, f'{stream}.token', text.valid, candidates, dims)
        alpha = alpha[..., None, None]
        return rotate_tokens(z, clip_r, token_r, alpha * m[:, None], alpha * s[:, None])

    def ortho(self, rotated: Tensor, z: Tensor, valid: Tensor) -> Tensor:
        """L_ortho (Eq. 10) averaged over valid tokens, then over the clips of all ranks."""
        per_token = ortho_loss(rotated, z, self.similarity_weight) * valid
        per_clip = per_token.sum(1) / valid.sum(1)
        return per_clip.sum() / all_reduce_mean(per_clip.new_tensor(float(len(per_clip))))

    def pool(self, made: Tensor, z: Tensor, text: FactualText, alpha: Tensor) -> Counterfactuals:
        """The K of the candidates (B, 2K, P, D) nearest to z (Eq. 12), with w_k ∝ √(1 − α_k) among the chosen."""
        weight = text.weight[:, None]
        nearness = F.cosine_similarity(weighted_mean(made, weight), weighted_mean(z, text.weight)[:, None], dim=-1)  # (B, 2K)
        chosen = nearness.topk(self.num_counterfactuals, dim=1).indices
        tokens = made.gather(1, chosen[..., None, None].expand(-1, -1, *made.shape[2:]))
        hardness = (1 - alpha.gather(1, chosen)).clamp(min=1e-6).sqrt()
        return Counterfactuals(tokens, hardness / hardness.sum(1, keepdim=True))


def token_cosine(a: Tensor, b: Tensor, valid: Tensor) -> Tensor:
    """Mean cosine of tokens (B, K, P, D) over valid tokens (B, P); detached, to log."""
    cosine = F.cosine_similarity(a, b, dim=-1) * valid[:, None]
    return (cosine.sum() / (valid.sum() * a.shape[1])).detach()
