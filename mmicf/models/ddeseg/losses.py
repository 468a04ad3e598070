"""Loss of DDESeg (`Eq. 18 <https://arxiv.org/abs/2503.12840>`_)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.dist import all_reduce_mean

IGNORE = 255


@MODELS.register_module()
class RegionLoss(nn.Module):
    """Weighted sum of dice, cross entropy and IoU loss of one map of logits per frame.

    Dice and IoU are per frame and class, over all classes, with 1e-5 added above and below; one channel is a binary map of
    class 1. Pixels of 255 do not count.

    Args:
        loss_weights: of dice, (binary) cross entropy and IoU.
    """

    def __init__(self, loss_weights: Sequence[float] = (5., 5., 2.)) -> None:
        super().__init__()
        self.loss_weights = tuple(loss_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Logits (n, C, h, w), resized to labels (n, H, W) → ``loss_dice``, ``loss_ce``, ``loss_iou``.

        Means over the frames of all ranks; without a frame zeros that depend on the logits.
        """
        count = all_reduce_mean(torch.tensor(float(len(labels)), device=logits.device)).clamp(min=1e-6)
        if not len(labels):
            return {f'loss_{name}': 0 * logits.sum() for name in ('dice', 'ce', 'iou')}
        logits = F.interpolate(logits.float(), size=labels.shape[-2:], mode='bilinear', align_corners=True)
        parts = {name: weight * term.sum() / count
                 for name, weight, term in zip(('dice', 'ce', 'iou'), self.loss_weights, region_terms(logits, labels), strict=True)}
        return {f'loss_{name}': value for name, value in parts.items()}


def region_terms(logits: Tensor, labels: Tensor, smooth: float = 1e-5) -> tuple[Tensor, Tensor, Tensor]:
    """Dice, cross entropy and IoU loss of each frame, (n,): logits (n, C, H, W), labels (n, H, W)."""
    counts = labels != IGNORE
    weight = counts.flatten(1).to(logits.dtype)
    pixels = weight.sum(1).clamp(min=1)
    if logits.shape[1] == 1:
        target = (labels == 1).to(logits.dtype)
        ce = F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction='none')
        prob = logits.sigmoid().flatten(2) * weight[:, None]
        truth = target.flatten(1)[:, None]
        inter, predicted, true = (prob * truth).sum(2), prob.sum(2), truth.sum(2)
    else:
        ce = F.cross_entropy(logits, labels, reduction='none', ignore_index=IGNORE)
        prob = logits.softmax(1).flatten(2)
        index = labels.masked_fill(~counts, 0).flatten(1)
        # Sums over the pixels of each class, without a one-hot map of C channels.
        inter = prob.new_zeros(prob.shape[:2]).scatter_add(1, index, prob.gather(1, index[:, None])[:, 0] * weight)
        true = prob.new_zeros(prob.shape[:2]).scatter_add(1, index, weight)
        predicted = (prob * weight[:, None]).sum(2)  # a matrix product would run in half precision under autocast
    ce = (ce.flatten(1) * weight).sum(1) / pixels
    dice = 1 - ((2 * inter + smooth) / (predicted + true + smooth)).mean(1)
    iou = 1 - ((inter + smooth) / (predicted + true - inter + smooth)).mean(1)
    return dice, ce, iou
