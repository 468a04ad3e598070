"""Points on masks: where mask losses are evaluated (`PointRend <https://arxiv.org/abs/1912.08193>`_)."""
from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from mmicf.utils.random import clip_generator


def clip_points(clip_ids: Sequence[str], num_points: int, stream: str, device: torch.device) -> Tensor:
    """Uniform points in [0, 1]² for frames of the named clips, (len(clip_ids), num_points, 2), x before y.

    ``clip_ids`` names the clip of each frame. A clip's points depend on (seed, iteration, clip, stream) alone, not on the batch or
    rank that it is in.
    """
    out = [torch.zeros(0, num_points, 2, device=device)]
    for clip, frames in groupby(clip_ids):  # a clip may come twice in a batch: RepeatDataset
        generator = clip_generator(clip, stream, device)
        out.append(torch.rand(len(list(frames)), num_points, 2, generator=generator, device=device))
    return torch.cat(out)


def sample_logits(logits: Tensor, points: Tensor) -> Tensor:
    """Bilinear samples of maps (K, h, w) at points (K, P, 2) in [0, 1] → (K, P)."""
    return F.grid_sample(logits[:, None], 2 * points[:, None] - 1, mode='bilinear', align_corners=False)[:, 0, 0]


def sample_labels(labels: Tensor, points: Tensor) -> Tensor:
    """The label of the pixel that holds each point: (S, H, W), (S, P, 2) → (S, P)."""
    h, w = labels.shape[-2:]
    x = (points[..., 0] * w).long().clamp(0, w - 1)
    y = (points[..., 1] * h).long().clamp(0, h - 1)
    return labels.flatten(1).gather(1, y * w + x)


def uncertain_points(logits: Tensor, candidates: Tensor, num_points: int) -> Tensor:
    """The ``num_points`` of ``candidates`` (K, P, 2) nearest to the decision border of ``logits`` (K, h, w)."""
    with torch.no_grad():
        uncertainty = -sample_logits(logits, candidates).abs()
        index = uncertainty.topk(num_points, dim=1).indices
    return candidates.gather(1, index[..., None].expand(-1, -1, 2))
