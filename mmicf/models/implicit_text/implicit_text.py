"""Multi-granularity implicit text, ICF Sec. 3.2 (docs/en/decisions.md, "Eq. 3" to "Eq. 5")."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import FactualText
from mmicf.utils.dist import gather_rows

from ..layers import MLP, clip_lengths
from ..necks import MITContext
from .elements import LEVELS, ClipElements, clip_elements
from .modality_text import ModalityText


class _Gate(nn.Module):
    """x ⊙ σ(MLP(x)) with three layers: passes the parts of a text that do not conflict (Eq. 5)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.mlp = MLP(dims, dims, dims)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mlp(x).sigmoid()


@MODELS.register_module()
class ImplicitText(BaseModule):
    """Factual text of clips from their visual context and their audio.

    Args:
        visual_encoder: frozen text tower of the visual side (:class:`OpenCLIPTextEncoder`).
        audio_encoder: frozen text tower of the audio side (:class:`CLAPTextEncoder`).
        embed_dims: D, the width of z's tokens and of the visual context.
        audio_dims: width of the audio tokens.
        levels: which of 'video', 'segment', 'frame' get texts (Table 2).
        num_prompts: k^t; 15 in the supplement's table, 30 in its text.
        num_context: pseudo-tokens per prompt.
        retrieval: 'soft' or 'top1' (Eq. 3).
        loss_weight: of ``loss_mit``, the term that trains Eq. 3; 0 is Eq. 19 as printed.
        image_anchor, audio_anchor: frozen image and audio towers, run on the frames and the waveform when the inputs carry no
            cached embeddings. None: no such tower.
    """

    infonce_temperature = 0.07

    def __init__(self, *, visual_encoder: dict, audio_encoder: dict, embed_dims: int = 256, audio_dims: int = 256,
                 levels: Sequence[str] = LEVELS, num_prompts: int = 15, num_context: int = 4, retrieval: str = 'soft',
                 loss_weight: float = 0.1, image_anchor: dict | None = None, audio_anchor: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if not levels or any(level not in LEVELS for level in levels) or len(set(levels)) != len(levels):
            raise ValueError(f'levels must be some of {LEVELS}, each once, got {tuple(levels)}')
        self.levels = tuple(level for level in LEVELS if level in levels)
        common = dict(levels=self.levels, num_prompts=num_prompts, num_context=num_context, retrieval=retrieval)
        self.visual = ModalityText(encoder=visual_encoder, in_dims=embed_dims, **common)
        self.audio = ModalityText(encoder=audio_encoder, in_dims=audio_dims, **common)
        self.image_anchor = MODELS.build(image_anchor) if image_anchor is not None else None
        self.audio_anchor = MODELS.build(audio_anchor) if audio_anchor is not None else None
        self.visual_gate = _Gate(self.visual.embed_dims)
        self.audio_gate = _Gate(self.audio.embed_dims)
        self.fuse = nn.Linear(self.visual.embed_dims + self.audio.embed_dims, embed_dims)
        self.norm = nn.LayerNorm(embed_dims, elementwise_affine=False)  # SC counts on tokens of unit variance
        self.loss_weight = loss_weight

    def forward(self, context: MITContext, audio: Tensor, clip_index: Tensor, *, image_anchor: Tensor | None = None,
                audio_anchor: Tensor | None = None) -> tuple[FactualText, dict[str, Tensor]]:
        """z of every clip, and ``loss_mit`` in training.

        Args:
            context: levels of the visual context, (N, D, h, w) each.
            audio: (N, C_a) audio tokens; all audio levels pool them over the level's frames.
            clip_index: (N,).
            image_anchor, audio_anchor: (N, d) embeddings of the frozen image and audio towers, or None.
        """
        elements = clip_elements(clip_index, context.num_segments, self.levels)
        maps = {level: getattr(context, level).mean((2, 3)) for level in self.levels}
        visual, visual_score, visual_query = self.visual(maps, elements, image_anchor)
        heard, audio_score, audio_query = self.audio(dict.fromkeys(self.levels, audio), elements, audio_anchor)
        tokens = self.norm(self.fuse(torch.cat([self.visual_gate(visual), self.audio_gate(heard)], -1)).float())
        with torch.autocast(tokens.device.type, enabled=False):
            text = FactualText(
                tokens=tokens * elements.valid[..., None],
                weight=(visual_score + audio_score).softmax(-1),
                valid=elements.valid,
                visual=torch.einsum('bp,bpd->bd', visual_score.softmax(-1), visual),
                audio=torch.einsum('bp,bpd->bd', audio_score.softmax(-1), heard))
        losses = {}
        if self.loss_weight and self.training:  # gathers over ranks, which may have unequal numbers of test batches
            loss = 0.5 * (self._infonce(visual_query, visual, elements) + self._infonce(audio_query, heard, elements))
            losses['loss_mit'] = self.loss_weight * loss
        return text, losses

    def embed_frames(self, frames: Tensor | None) -> Tensor | None:
        """(N, d) of the frozen image tower, None without one."""
        if self.image_anchor is None:
            return None
        if frames is None:
            raise ValueError('the image anchor needs frames, and this host passes none')
        return self.image_anchor(frames)

    def embed_waveform(self, waveform: Sequence[Tensor] | None, sample_rate: Sequence[int] | None,
                       clip_index: Tensor) -> Tensor | None:
        """(N, d) of the frozen audio tower, None without one."""
        if self.audio_anchor is None:
            return None
        if waveform is None or sample_rate is None:
            raise ValueError('the audio anchor needs waveforms: pack them in the data pipeline, or load cached anchors')
        return self.audio_anchor(waveform, sample_rate, clip_lengths(clip_index))

    def _infonce(self, query: Tensor, text: Tensor, elements: ClipElements) -> Tensor:
        """Symmetric InfoNCE between the clips' features and texts, per level on the means of its elements, over all ranks."""
        total = query.new_zeros(())
        for slots in elements.slots.values():
            clip, place = slots.unbind(1)
            count = torch.bincount(clip, minlength=len(query))[:, None]
            features, texts = (gather_rows(
                F.normalize(x.new_zeros(len(x), x.shape[-1]).index_add(0, clip, x[clip, place]) / count, dim=-1))
                for x in (query.float(), text.float()))
            with torch.autocast(features.device.type, enabled=False):
                logits = features @ texts.T / self.infonce_temperature
            target = torch.arange(len(logits), device=logits.device)
            total = total + 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
        return total / len(elements.slots)
