"""Implicit text of one modality: prompts, retrieval and fusion (ICF Eq. 3-4)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmicf.registry import MODELS

from .elements import ClipElements


class ModalityText(nn.Module):
    """Texts of a modality's elements, from learned prompts through a frozen text tower.

    Per level, k^t prompts of ``num_context`` learned pseudo-tokens are shifted by a linear map of the element's pooled feature
    and read by the tower; each element takes the softmax-weighted mixture of its k^t texts, the soft form of Eq. 3's arg max
    (docs/en/decisions.md, "Eq. 3").

    Args:
        encoder: config of the frozen text tower.
        in_dims: width of the features.
        levels: the levels that get texts.
        num_prompts: k^t.
        num_context: pseudo-tokens per prompt.
        retrieval: 'soft', or 'top1' for the best prompt alone.
    """

    temperature = 0.07

    def __init__(self, *, encoder: dict, in_dims: int, levels: Sequence[str], num_prompts: int, num_context: int,
                 retrieval: str) -> None:
        super().__init__()
        if retrieval not in ('soft', 'top1'):
            raise ValueError(f"retrieval must be 'soft' or 'top1', got {retrieval!r}")
        self.retrieval = retrieval
        self.encoder = MODELS.build(encoder)
        width, token = self.encoder.embed_dims, self.encoder.token_dims
        self.embed_dims = width
        self.prompts = nn.ParameterDict({p: nn.Parameter(torch.randn(num_prompts, num_context, token) * 0.02) for p in levels})
        self.condition = nn.ModuleDict({p: nn.Linear(in_dims, token) for p in levels})
        self.proj = nn.ModuleDict({p: nn.Linear(in_dims, width) for p in levels})
        for layer in self.condition.values():  # a shift of the prompts' own size, not one that drowns them
            nn.init.normal_(layer.weight, std=0.02 * in_dims**-0.5)
            nn.init.zeros_(layer.bias)
        self.weight_query = nn.Parameter(torch.zeros(width))  # q of Eq. 4; zero: all elements weigh alike at the start

    def texts(self, level: str, pooled: Tensor) -> Tensor:
        """Pooled features (M, in_dims) of a level's elements → their k^t texts (M, k^t, d), L2-normalised."""
        pseudo = self.prompts[level] + self.condition[level](pooled)[:, None, None]  # (M, k, n, token)
        return F.normalize(self.encoder(pseudo.flatten(0, 1)).float(), dim=-1).unflatten(0, pseudo.shape[:2])

    def retrieve(self, query: Tensor, texts: Tensor) -> Tensor:
        """l of Eq. 3 for queries (M, d), unit length, and texts (M, k^t, d) → (M, d)."""
        with torch.autocast(query.device.type, enabled=False):  # similarities of a clip's texts differ by less than bfloat16 tells
            sim = torch.einsum('md,mkd->mk', query, texts)
            weight = (sim / self.temperature).softmax(-1)
            if self.retrieval == 'top1':  # straight-through: the best text forward, the soft weights' gradient backward
                best = F.one_hot(sim.argmax(-1), sim.shape[-1]).to(weight)
                weight = best + weight - weight.detach()
            return torch.einsum('mk,mkd->md', weight, texts)

    def forward(self, features: dict[str, Tensor], elements: ClipElements,
                anchor: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Element texts, their scores and the projected features.

        Args:
            features: per level (N, in_dims), one row per frame.
            elements: of the batch.
            anchor: (N, d) embeddings of the tower's frozen partner, added to the projected features; None without.

        Returns:
            l_n (B, P, d), w_n (B, P) with −inf in padding, and the unit-length projected features (B, P, d).
        """
        if anchor is not None and anchor.shape[-1] != self.embed_dims:
            raise ValueError(f'anchor embeddings are {anchor.shape[-1]} wide, the text tower {self.embed_dims}')
        found, queries = {}, {}
        for level, pool in elements.pool.items():
            pooled = pool.to(features[level].dtype) @ features[level]
            query = self.proj[level](pooled).float()
            if anchor is not None:
                query = F.normalize(query, dim=-1) + F.normalize(pool @ F.normalize(anchor.float(), dim=-1), dim=-1)
            queries[level] = F.normalize(query, dim=-1)
            found[level] = self.retrieve(queries[level], self.texts(level, pooled)).float()
        text = elements.scatter(found)
        score = (text * self.weight_query).sum(-1) / self.embed_dims**0.5  # Eq. 4
        return text, score.masked_fill(~elements.valid, float('-inf')), elements.scatter(queries)
