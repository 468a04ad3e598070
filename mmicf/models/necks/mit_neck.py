"""Multi-granularity context of ICF (`Sec. 3.2, Eq. 1-2 <https://arxiv.org/abs/2507.20740>`_), part of its baseline.

Rows of the attention matrix are channels of frames, not pixels: (T·C)² instead of (T·H·W)². Eq. 2 prints V·A; with rows as
channels the product that mixes rows of V by rows of A is A·V (docs/en/decisions.md, "Eq. 2").
"""
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmicf.registry import MODELS

from ..layers import apply_per_clip, clips_by_length


class MITContext(NamedTuple):
    """The three levels of context on the coarsest map, each (N, D, h, w); ``num_segments`` gives the window (Eq. 3-5)."""
    video: Tensor
    segment: Tensor
    frame: Tensor
    num_segments: int


def segment_starts(num_frames: int, num_segments: int) -> tuple[list[int], int]:
    """First frames and length of the segment windows of a clip.

    The window is ⌈T / num_segments⌉ frames (supplement item 1) and slides by its own length; the last one is shifted back so
    that preceding frames fill it: T=5, two segments → starts [0, 2], window 3.
    """
    window = math.ceil(num_frames / num_segments)
    return [min(start, num_frames - window) for start in range(0, num_frames, window)], window


class ChannelAttention(nn.Module):
    """Attention between the channels of frames (Eq. 1), with Eq. 2's residual.

    Rows of queries and keys are L2-normalised over space, so the learnable temperature τ alone sets the sharpness.

    Args:
        embed_dims: C.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(embed_dims, embed_dims, 1)
        self.key = nn.Conv2d(embed_dims, embed_dims, 1)
        self.value = nn.Conv2d(embed_dims, embed_dims, 1)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """x (b, T, C, h, w), attending to itself or to ``context`` (b, T', C, h, w) → (b, T, C, h, w)."""
        context = x if context is None else context
        query = F.normalize(_rows(self.query, x), dim=-1)  # (b, T·C, h·w)
        key = F.normalize(_rows(self.key, context), dim=-1)
        attention = (query / self.log_temperature.exp() @ key.transpose(1, 2)).softmax(-1)  # (b, T·C, T'·C)
        return x + (attention @ _rows(self.value, context)).view_as(x)


def _rows(conv: nn.Module, x: Tensor) -> Tensor:
    """(b, T, C, h, w) → (b, T·C, h·w) through a 1x1 convolution."""
    return conv(x.flatten(0, 1)).unflatten(0, x.shape[:2]).flatten(3).flatten(1, 2)


class ClipContext(nn.Module):
    """Video-, segment- and frame-level channel attention on one map, coarse to fine, each on top of the one before.

    Args:
        in_channels: of the map.
        embed_dims: D, the width in which channels attend; a multiple of 32.
        num_segments: sets the window (:func:`segment_starts`).
    """

    def __init__(self, in_channels: int, embed_dims: int, num_segments: int) -> None:
        super().__init__()
        self.num_segments = num_segments
        self.input_proj = ConvModule(in_channels, embed_dims, 1, norm_cfg=dict(type='GN', num_groups=32), act_cfg=None)
        self.video = ChannelAttention(embed_dims)
        self.segment = ChannelAttention(embed_dims)
        self.frame = ChannelAttention(embed_dims)

    def _segments(self, x: Tensor) -> Tensor:
        """(b, T, C, h, w): each window attends within itself; a frame in two windows keeps the first, the other only sees it."""
        starts, window = segment_starts(x.shape[1], self.num_segments)
        windows = torch.stack([x[:, s:s + window] for s in starts], 1)  # (b, S, window, C, h, w)
        out = self.segment(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        parts = [out[:, 0]]
        for i, start in enumerate(starts[1:], 1):
            parts.append(out[:, i, i * window - start:])
        return torch.cat(parts, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(b, T, C_in, h, w) → video, segment and frame level, each (b, T, D, h, w)."""
        y = self.input_proj(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        video = self.video(y)
        segment = self._segments(video)
        frame = self.frame(segment.flatten(0, 1)[:, None])[:, 0].unflatten(0, x.shape[:2])
        return video, segment, frame


class _ScaleContext(nn.Module):
    """A map with its clip's context: the frame level looks at the whole clip and is added to the map."""

    def __init__(self, in_channels: int, embed_dims: int, num_segments: int) -> None:
        super().__init__()
        self.levels = ClipContext(in_channels, embed_dims, num_segments)
        self.cross = ChannelAttention(embed_dims)
        self.output_proj = nn.Conv2d(embed_dims, in_channels, 1)
        # A pretrained backbone's map passes unchanged at the start.
        nn.init.zeros_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, T, C_in, h, w) → (b, T, C_in + 3·D, h, w): enhanced map, video, segment and frame level."""
        video, segment, frame = self.levels(x)
        enhanced = self.cross(frame, video)  # rows are independent: every frame sees the clip, in one product
        out = x + self.output_proj(enhanced.flatten(0, 1)).unflatten(0, x.shape[:2])
        return torch.cat([out, video, segment, frame], 2)


@MODELS.register_module()
class MITNeck(BaseModule):
    """Adds clip context to the two coarsest maps (strides 16 and 32) and hands out the levels of the coarsest.

    Args:
        in_channels: channels of the backbone's four maps, fine to coarse.
        embed_dims: D, the width in which channels attend; a multiple of 32.
        num_segments: 2 for S4 and MS3, 4 for AVSS (supplement item 1).
    """

    def __init__(self, *, in_channels: Sequence[int], embed_dims: int = 256, num_segments: int = 2,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_segments < 1:
            raise ValueError(f'num_segments must be at least 1, got {num_segments}')
        self.embed_dims, self.num_segments = embed_dims, num_segments
        self.scales = ModuleList([_ScaleContext(c, embed_dims, num_segments) for c in in_channels[-2:]])

    def forward(self, maps: Sequence[Tensor], clip_index: Tensor) -> tuple[list[Tensor], MITContext]:
        """Maps (N, C_i, H_i, W_i) → the same maps, the last two enhanced, and the :class:`MITContext` of the last."""
        groups = clips_by_length(clip_index)
        outs = [apply_per_clip(scale, x, groups) for scale, x in zip(self.scales, maps[-2:], strict=True)]
        enhanced = [out[:, :x.shape[1]] for out, x in zip(outs, maps[-2:], strict=True)]
        video, segment, frame = outs[-1][:, maps[-1].shape[1]:].split(self.embed_dims, 1)
        return [*maps[:-2], *enhanced], MITContext(video, segment, frame, self.num_segments)
