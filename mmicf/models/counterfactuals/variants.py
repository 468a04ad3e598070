"""Other ways to counterfactual text, with the interface of :class:`SemanticCounterfactual` (ICF Table 2)."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, FactualText
from mmicf.utils.dist import all_reduce_mean, gather_rows, world_size

from .rotating import RotatingCounterfactual, token_cosine, unit_variance

Made = tuple[Counterfactuals, dict[str, Tensor], dict[str, Tensor]]


@MODELS.register_module()
class FeatureLevelCounterfactual(RotatingCounterfactual):
    """Table 2, "feature-level": z's own tokens are rotated; no noise, no diffusion. Arguments as there."""

    def __init__(self, *, embed_dims: int = 256, num_counterfactuals: int = 8, alpha_range: Sequence[float] = (0.7, 0.8),
                 ortho_weight: float = 1.0, similarity_weight: float = 0.8, loss_weight: float = 0.2) -> None:
        super().__init__(
            embed_dims=embed_dims,
            num_counterfactuals=num_counterfactuals,
            alpha_range=alpha_range,
            inter_sample=True,
            intra_sample=True,
            ortho_weight=ortho_weight,
            similarity_weight=similarity_weight,
            loss_weight=loss_weight)

    def forward(self, text: FactualText, visual: Tensor, visual_valid: Tensor, clip_ids: Sequence[str]) -> Made:
        """As :meth:`SemanticCounterfactual.forward`; the visual tokens are not read."""
        with torch.autocast(text.tokens.device.type, enabled=False):  # bf16 would blur which candidates are nearest
            text = FactualText(*(x.detach() for x in text))
            z = unit_variance(text.tokens, text.valid)
            m, s = self.degrees(z, text.weight)
            alpha = self.jittered_alpha(clip_ids, 'sc.pool.alpha', 2 * self.num_counterfactuals)
            start = z[:, None].expand(-1, alpha.shape[1], -1, -1)
            rotated = self.rotate(start, text, clip_ids, 'sc.pool.rotation', alpha, m, s)
            loss = self.loss_weight * self.ortho_weight * self.ortho(rotated[:, 0], z, text.valid)
            made = self._finish(rotated.detach()) * text.valid[:, None, :, None]
            logs = {'cos_factual': token_cosine(made, start, text.valid), 'alpha': alpha.mean().detach()}
            return self.pool(made, z, text, alpha.detach()), {'loss_ortho': loss, **self._extra_loss(z, text.valid)}, logs

    def _finish(self, rotated: Tensor) -> Tensor:
        return rotated

    def _extra_loss(self, z: Tensor, valid: Tensor) -> dict[str, Tensor]:
        return {}


@MODELS.register_module()
class DiscreteCounterfactual(FeatureLevelCounterfactual):
    """Table 2, "discrete": rotated tokens are replaced by the nearest entry of a learned codebook (`VQ-VAE
    <https://arxiv.org/abs/1711.00937>`_), whose entries follow the factual tokens (codebook loss, ``loss_cf``).

    Args:
        codebook_size: number of entries. The others as in the base class.
    """

    def __init__(self, *, codebook_size: int = 512, embed_dims: int = 256, num_counterfactuals: int = 8,
                 alpha_range: Sequence[float] = (0.7, 0.8), ortho_weight: float = 1.0, similarity_weight: float = 0.8,
                 loss_weight: float = 0.2) -> None:
        super().__init__(
            embed_dims=embed_dims,
            num_counterfactuals=num_counterfactuals,
            alpha_range=alpha_range,
            ortho_weight=ortho_weight,
            similarity_weight=similarity_weight,
            loss_weight=loss_weight)
        self.codebook = nn.Parameter(torch.randn(codebook_size, embed_dims))

    def nearest(self, x: Tensor) -> Tensor:
        """The codebook's nearest entries (…, D)."""
        return self.codebook[torch.cdist(x.flatten(0, -2), self.codebook.detach()).argmin(1)].view_as(x)

    def _finish(self, rotated: Tensor) -> Tensor:
        return self.nearest(rotated).detach()

    def _extra_loss(self, z: Tensor, valid: Tensor) -> dict[str, Tensor]:
        error = (self.nearest(z) - z).square().mean(-1) * valid
        per_clip = error.sum(1) / valid.sum(1)
        return {'loss_cf': self.loss_weight * per_clip.sum() / all_reduce_mean(per_clip.new_tensor(float(len(per_clip))))}


@MODELS.register_module()
class PairSwapCounterfactual(BaseModule):
    """Section 4.2, "Pair Swap": the text of other clips of the batch, of all ranks, stands for what might have been.

    Up to ``num_counterfactuals`` clips that follow in the batch's order; where T differs, a clip's tokens are repeated in order. A
    batch of one clip has nobody to swap with: its counterfactual is then the mirrored text −z, the farthest from it.
    """

    def __init__(self, *, num_counterfactuals: int = 8) -> None:
        super().__init__()
        self.num_counterfactuals = num_counterfactuals

    def forward(self, text: FactualText, visual: Tensor, visual_valid: Tensor, clip_ids: Sequence[str]) -> Made:
        """As :meth:`SemanticCounterfactual.forward`, without losses."""
        z = unit_variance(text.tokens.detach(), text.valid)
        size = gather_rows(torch.tensor([[len(z), z.shape[1]]], device=z.device))  # (ranks, 2)
        pad = int(size[:, 1].max()) - z.shape[1]
        everyone, counts = gather_rows(F.pad(z, (0, 0, 0, pad))), gather_rows(text.valid.sum(1))
        if len(everyone) == 1:
            tokens = -z[:, None]
        else:
            rank = torch.distributed.get_rank() if world_size() > 1 else 0
            own = int(size[:rank, 0].sum()) + torch.arange(len(z), device=z.device)
            offset = torch.arange(1, min(self.num_counterfactuals, len(everyone) - 1) + 1, device=z.device)
            donor = (own[:, None] + offset) % len(everyone)  # (B, K)
            place = torch.arange(z.shape[1], device=z.device) % counts[donor][..., None]  # (B, K, P)
            tokens = everyone[donor[..., None], place] * text.valid[:, None, :, None]
        logs = {'cos_factual': token_cosine(tokens, z[:, None].expand_as(tokens), text.valid)}
        return Counterfactuals(tokens, tokens.new_full(tokens.shape[:2], 1 / tokens.shape[1])), {}, logs


@MODELS.register_module()
class PrecomputedCounterfactual(BaseModule):
    """Section 4.2, "Audio Replacement" and "Text Revision": embeddings made beforehand.

    Args:
        path: npz file of ``tools/dataset_converters/make_counterfactual_text.py``: per clip_id a float array (K, d).
        embed_dims: D; a linear map brings the embeddings there, and every token of a clip gets them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: arrays of other shapes; when training, a clip that the file lacks.
    """

    def __init__(self, *, path: str, embed_dims: int = 256) -> None:
        super().__init__()
        if not Path(path).is_file():
            raise FileNotFoundError(f'no counterfactuals at {path}; expected an npz file as '
                                    'tools/dataset_converters/make_counterfactual_text.py writes it')
        self.path = path
        with np.load(path, allow_pickle=False) as file:
            self.table = {name: torch.from_numpy(file[name]).float() for name in file.files}
        shapes = {tuple(value.shape) for value in self.table.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise ValueError(f'{path}: expected arrays of one shape (K, d), found {sorted(shapes)[:5]}')
        self.proj = nn.Linear(next(iter(shapes))[1], embed_dims)

    def forward(self, text: FactualText, visual: Tensor, visual_valid: Tensor, clip_ids: Sequence[str]) -> Made:
        """As :meth:`SemanticCounterfactual.forward`, without losses; the linear map learns from the contrast."""
        missing = [clip for clip in clip_ids if clip not in self.table]
        if missing:
            raise ValueError(f'{self.path} has no counterfactuals for clip {missing[0]!r} ({len(self.table)} clips are in it)')
        embeds = torch.stack([self.table[clip] for clip in clip_ids]).to(text.tokens.device)  # (B, K, d)
        tokens = F.normalize(self.proj(embeds).float(), dim=-1) * text.tokens.shape[-1]**0.5
        tokens = tokens[:, :, None] * text.valid[:, None, :, None]
        logs = {'cos_factual': token_cosine(tokens, text.tokens[:, None].expand_as(tokens), text.valid)}
        return Counterfactuals(tokens, tokens.new_full(tokens.shape[:2], 1 / tokens.shape[1])), {}, logs
