"""Losses of AVSegFormer, one number per frame."""
import torch
import torch.nn.functional as F
from torch import Tensor

from mmicf.utils.dist import all_reduce_mean

IGNORED = 255


def _to_size(logits: Tensor, labels: Tensor) -> Tensor:
    """Float32 logits at the size of the labels."""
    logits = logits.float()
    if logits.shape[-2:] == labels.shape[-2:]:
        return logits
    return F.interpolate(logits, size=labels.shape[-2:], mode='bilinear', align_corners=False)


def squared_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """1 − 2Σpg / (Σp² + 1e-3 + Σg² + 1e-3) of each frame over its pixels that are not ignored.

    Args:
        logits: (n, 1, h, w) of "sounding".
        labels: (n, H, W); every class but 0 sounds, 255 is ignored.

    Returns:
        (n,).
    """
    valid = (labels != IGNORED).flatten(1)
    p = _to_size(logits, labels).sigmoid().flatten(1) * valid
    g = (labels > 0).flatten(1) & valid
    return 1 - 2 * (p * g).sum(1) / (p.square().sum(1) + g.sum(1) + 2e-3)


def semantic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each frame, the mean over its pixels that are not ignored: (n, C, h, w), (n, H, W) → (n,)."""
    loss = F.cross_entropy(_to_size(logits, labels), labels, ignore_index=IGNORED, reduction='none')
    return loss.sum((1, 2)) / (labels != IGNORED).sum((1, 2)).clamp(min=1)


def frame_mean(loss: Tensor) -> Tensor:
    """(n,) of this rank's frames → their mean over the frames of all ranks, once DDP has averaged; 0 without frames."""
    count = all_reduce_mean(torch.tensor(float(len(loss)), device=loss.device).reshape(1))[0]
    return loss.sum() / count.clamp(min=1e-6)
