"""Implicit counterfactual learning: text → counterfactuals → contrast, beside any audio-visual segmentor in training."""
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, DecoderText, FactualText, ICFInputs
from mmicf.utils.dist import gather_rows

from .layers import apply_per_clip, clips_by_length, frames_by_clip
from .necks import ClipContext, MITContext


class _OwnContext(nn.Module):
    """Levels of context for a host whose segmentor has no :class:`MITNeck`; training only."""

    def __init__(self, in_channels: int, embed_dims: int, num_segments: int) -> None:
        super().__init__()
        self.levels = ClipContext(in_channels, embed_dims, num_segments)

    def forward(self, feature: Tensor, clip_index: Tensor) -> MITContext:
        out = apply_per_clip(lambda x: torch.cat(self.levels(x), 2), feature, clips_by_length(clip_index))
        return MITContext(*out.chunk(3, 1), self.levels.num_segments)


class Generated(NamedTuple):
    """Text of a training step, before the contrast; ``losses`` also holds what is logged only.

    ``audio_anchor`` (N, d), of the frozen audio tower where there is one, tells the contrast which clips sound alike.
    """
    text: FactualText | None
    counterfactuals: Counterfactuals | None
    audio_anchor: Tensor | None
    losses: dict[str, Tensor]


@MODELS.register_module()
class ImplicitCounterfactual(BaseModule):
    """ICF (Fig. 2) on top of a segmentor's features; at test time it does not run, unless the decoder reads its text.

    Args:
        text: :class:`ImplicitText`, or None (Table 2: contrast between vision and audio alone).
        counterfactual: :class:`SemanticCounterfactual` or one of its variants, or None.
        contrast: :class:`CDCLLoss`, or None.
        embed_dims: D.
        visual_dims, audio_dims: widths of the segmentor's visual and audio embeddings.
        feature_channels: width of ``ICFInputs.feature``; makes ICF build its own context, for hosts without a :class:`MITNeck`.
        num_segments: of that own context.
        text_in_decoder: the segmentor's decoder reads the text by cross-attention (Table 2, rows MIT and MIT + SC). The text
            towers then run at test time too.
        margin: of the hinge that makes counterfactual text in the decoder worse than factual text (docs/en/decisions.md,
            "Counterfactuals without contrast").

    Raises:
        ValueError: parts that cannot work together.
    """

    def __init__(self, *, text: dict | None = None, counterfactual: dict | None = None, contrast: dict | None = None,
                 embed_dims: int = 256, visual_dims: int = 256, audio_dims: int = 256, feature_channels: int | None = None,
                 num_segments: int = 2, text_in_decoder: bool = False, margin: float = 0.5,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if text is None and (counterfactual is not None or text_in_decoder):
            raise ValueError('counterfactuals and text_in_decoder are made from text: give text as well')
        if contrast is None and not text_in_decoder:
            raise ValueError('without contrast and without text_in_decoder ICF would not reach the segmentor: give one of them')
        self.text_in_decoder, self.margin = text_in_decoder, margin
        self.context = _OwnContext(feature_channels, embed_dims, num_segments) if feature_channels and text is not None else None
        self.text = MODELS.build(text) if text is not None else None
        self.counterfactual = MODELS.build(counterfactual) if counterfactual is not None else None
        self.contrast = MODELS.build(contrast) if contrast is not None else None
        if self.contrast is not None:
            self.visual_proj = nn.Linear(visual_dims, embed_dims)
            self.audio_proj = nn.Linear(audio_dims, embed_dims)

    # ------------------------------------------------------------------ text

    def factual_text(self, inputs: ICFInputs) -> tuple[FactualText, dict[str, Tensor], MITContext]:
        """z (Eq. 5), ``loss_mit`` and the context it was made from.

        Raises:
            ValueError: no context, and ICF was not told ``feature_channels`` to make one.
        """
        context = inputs.context
        if context is None:
            if self.context is None:
                raise ValueError('this host passes no MIT context: set feature_channels to the width of ICFInputs.feature')
            context = self.context(inputs.feature, inputs.clip_index)
        inputs = self.with_anchors(inputs)
        text, losses = self.text(
            context, inputs.audio, inputs.clip_index, image_anchor=inputs.image_anchor, audio_anchor=inputs.audio_anchor)
        return text, losses, context

    @torch.compiler.disable(recursive=False)  # traced (torch 2.11), ICFInputs arrives with fields missing
    def with_anchors(self, inputs: ICFInputs) -> ICFInputs:
        """The inputs with embeddings of the frozen image and audio towers: cached ones, else those of towers that are there."""
        if inputs.image_anchor is None:
            inputs = inputs._replace(image_anchor=self.text.embed_frames(inputs.frames))
        if inputs.audio_anchor is None:
            embedded = self.text.embed_waveform(inputs.waveform, inputs.sample_rate, inputs.clip_index)
            inputs = inputs._replace(audio_anchor=embedded)
        return inputs

    # ------------------------------------------------------------------ training

    def generate(self, inputs: ICFInputs) -> Generated:
        """Factual and counterfactual text, from what is known before the decoder."""
        text = counterfactuals = None
        out = {}
        if self.text is not None:
            inputs = self.with_anchors(inputs)
            text, losses, context = self.factual_text(inputs)
            out.update(losses)
        if self.counterfactual is not None:
            visual, valid = frames_by_clip(context.frame.mean((2, 3)), inputs.clip_index)
            counterfactuals, losses, logs = self.counterfactual(text, visual, valid, inputs.clip_ids)
            out.update(losses, **logs)
        return Generated(text, counterfactuals, inputs.audio_anchor, out)

    def loss(self, inputs: ICFInputs, generated: Generated | None = None) -> dict[str, Tensor]:
        """Losses ``icf.loss_*`` and scalars ``icf.*`` to log, for one training step.

        Args:
            inputs: with the embeddings after the interaction.
            generated: of the same inputs, where the decoder already needed it.
        """
        generated = self.generate(inputs) if generated is None else generated
        out = dict(generated.losses)
        if self.contrast is not None:
            losses, logs = self.contrast(
                self.visual_proj(inputs.visual_embed), self.audio_proj(inputs.audio_embed), inputs.clip_index, generated.text,
                generated.counterfactuals, generated.audio_anchor)
            out.update(losses, **logs)
        return {f'icf.{name}': value for name, value in out.items()}

    # ------------------------------------------------------------------ text in the decoder

    def decoder_text(self, text: FactualText, clip_index: Tensor, tokens: Tensor | None = None) -> DecoderText:
        """z's tokens for each frame's decoder, or ``tokens`` (B, P, D) in their place."""
        tokens = text.tokens if tokens is None else tokens
        return DecoderText(tokens[clip_index], text.weight[clip_index])

    def decoder_counterfactual(self, generated: Generated, clip_index: Tensor) -> DecoderText | None:
        """The hardest counterfactual of each clip (largest w_k) for the decoder; None where the contrast uses the pool."""
        pool = generated.counterfactuals
        if pool is None or self.contrast is not None:
            return None
        hardest = pool.tokens[torch.arange(len(pool.tokens), device=clip_index.device), pool.weight.argmax(1)]
        return self.decoder_text(generated.text, clip_index, hardest)

    def hinge(self, factual: Tensor, counterfactual: Tensor) -> dict[str, Tensor]:
        """max(0, margin + L_seg(z) − L_seg(ℓ^cf)), means over all ranks: the decoder must do worse with counterfactual text."""
        gap = gather_rows((factual - counterfactual).view(1)).mean()
        return {'icf.loss_hinge': (self.margin + gap).clamp(min=0)}
