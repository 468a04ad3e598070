"""Typed containers of one clip, of a batch of packed frames, and of features.

Letters: B clips, T frames, N valid frames of the batch (sum of the clips' T), C channels, H W pixels, L audio samples.
NamedTuples rather than dicts: mmengine's ``pseudo_collate`` and ``cast_data`` keep their type, a field that is ``None`` for
every clip survives the collate, and a reader can look up which fields exist.
"""
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class AVInputs(NamedTuple):
    """Inputs of one clip; after ``pseudo_collate`` every field is a tuple with one entry per clip.

    Attributes:
        frames: uint8 RGB (T, 3, H, W).
        log_mel: float32 (T, 1, 96, 64), natural log of the VGGish mel magnitudes, one 0.96 s example per frame, or None.
        waveform: float32 (L,) mono or (2, L) stereo in [-1, 1], or None.
        sample_rate: rate of ``waveform`` in Hz, or None.
        image_anchor, audio_anchor: cached embeddings of frozen towers, float32 (T, d), or None.
        maskiges: uint8 RGB (T, 3, H, W), coloured proposals of a segmentation foundation model, or None.
    """
    frames: Tensor
    log_mel: Tensor | None = None
    waveform: Tensor | None = None
    sample_rate: int | None = None
    image_anchor: Tensor | None = None
    audio_anchor: Tensor | None = None
    maskiges: Tensor | None = None


class AVBatch(NamedTuple):
    """A batch after :class:`AVDataPreprocessor`: only real frames, clip after clip.

    Attributes:
        frames: float32, normalised, (N, 3, H, W).
        clip_index: int64 (N,), the clip (0..B-1) of each frame, non-decreasing.
        log_mel: float32 (N, 1, 96, 64) or None.
        waveform: one float32 (L,) or (2, L) per clip, or None.
        sample_rate: one rate in Hz per clip, or None.
        image_anchor, audio_anchor: cached embeddings of frozen towers, float32 (N, d), or None.
        maskiges: float32, normalised as the frames, (N, 3, H, W), or None.
    """
    frames: Tensor
    clip_index: Tensor
    log_mel: Tensor | None = None
    waveform: Sequence[Tensor] | None = None
    sample_rate: Sequence[int] | None = None
    image_anchor: Tensor | None = None
    audio_anchor: Tensor | None = None
    maskiges: Tensor | None = None


class DecoderText(NamedTuple):
    """Text that a decoder reads: ``tokens`` (N, P, D) of each frame's clip and their ``weight`` (N, P), 0 in padding."""
    tokens: Tensor
    weight: Tensor


class AVFeatures(NamedTuple):
    """What the backbones and necks hand to a decode head.

    Attributes:
        maps: visual maps at strides 4, 8, 16, 32, each (N, C_i, H_i, W_i), context-enhanced by the neck.
        audio: one audio token per frame, (N, D).
        clip_index: int64 (N,).
        context: the MIT levels (``MITContext``) of the neck, or None.
        text: what the decoder reads beside them, or None.
    """
    maps: Sequence[Tensor]
    audio: Tensor
    clip_index: Tensor
    context: tuple | None = None
    text: DecoderText | None = None
