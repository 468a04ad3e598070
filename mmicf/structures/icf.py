"""What the parts of implicit counterfactual learning hand to each other.

Clips of a batch may differ in T, so per-clip sets are padded: padding has weight 0 and ``valid`` False, and no result depends
on what stands there.
"""
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class ICFInputs(NamedTuple):
    """What a segmentor shows :class:`ImplicitCounterfactual` in a training step.

    Attributes:
        feature: (N, C, h, w), the coarsest visual map.
        audio: (N, C_a), one audio token per frame.
        clip_index: int64 (N,), the clip (0..B-1) of each frame, non-decreasing.
        clip_ids: B names; random terms of a clip depend on its name and the iteration alone.
        visual_embed: (N, D_v), visual embedding after the interaction of the modalities (supplement item 3); None before it.
        audio_embed: (N, D_a), audio embedding after the interaction; None before it.
        context: the three levels of :class:`MITContext`, or None: ICF then runs a neck of its own on ``feature``.
        frames: (N, 3, H, W) as the network saw them, for the image anchor, or None.
        waveform: one (L,) or (2, L) per clip for the audio anchor, or None.
        sample_rate: one rate in Hz per clip, or None.
        image_anchor, audio_anchor: cached embeddings (N, d) of the frozen image and audio towers, or None.
    """
    feature: Tensor
    audio: Tensor
    clip_index: Tensor
    clip_ids: Sequence[str]
    visual_embed: Tensor | None = None
    audio_embed: Tensor | None = None
    context: tuple | None = None
    frames: Tensor | None = None
    waveform: Sequence[Tensor] | None = None
    sample_rate: Sequence[int] | None = None
    image_anchor: Tensor | None = None
    audio_anchor: Tensor | None = None


class FactualText(NamedTuple):
    """Composite factual text z of each clip (Eq. 5) as a weighted set of P = 1 + S + T tokens.

    Attributes:
        tokens: (B, P, D), layer-normalised.
        weight: (B, P), sums to 1 over the valid tokens, 0 in padding; z is the weighted mean.
        valid: bool (B, P).
        visual, audio: (B, d), the fused texts ℓ^v and ℓ^a (Eq. 4).
    """
    tokens: Tensor
    weight: Tensor
    valid: Tensor
    visual: Tensor
    audio: Tensor


class Counterfactuals(NamedTuple):
    """The counterfactual text pool of each clip (Eq. 12).

    Attributes:
        tokens: (B, K, P, D), token sets with the weights and the padding of the factual text.
        weight: (B, K), w_k of Eq. 17, sums to 1.
    """
    tokens: Tensor
    weight: Tensor
