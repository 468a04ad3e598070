"""Losses of one map of logits per frame, one number per frame, and their mean over the frames of all ranks."""
import torch
import torch.nn.functional as F
from torch import Tensor

from mmicf.utils.dist import all_reduce_mean

IGNORED = 255


def at_label_size(logits: Tensor, labels: Tensor) -> Tensor:
    """Float32 logits (n, C, h, w) at the size of the labels (n, H, W)."""
    logits = logits.float()
    if logits.shape[-2:] == labels.shape[-2:]:
        return logits
    return F.interpolate(logits, size=labels.shape[-2:], mode='bilinear', align_corners=False)


def frame_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the pixels of each frame that are not ignored: (n, C, h, w), (n, H, W) → (n,). One channel: binary, of class 1."""
    if not len(labels):
        return logits.flatten(1).sum(1)  # empty, and part of the graph
    logits, counts = at_label_size(logits, labels), labels != IGNORED
    if logits.shape[1] == 1:
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], (labels == 1).float(), reduction='none')
    else:
        loss = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction='none')
    return (loss * counts).sum((1, 2)) / counts.sum((1, 2)).clamp(min=1)


def frame_mean(loss: Tensor) -> Tensor:
    """(n,) of this rank's frames → their mean over the frames of all ranks, once DDP has averaged; 0 without frames."""
    count = all_reduce_mean(torch.tensor(float(len(loss)), device=loss.device).reshape(1))[0]
    return loss.sum() / count.clamp(min=1e-6)
