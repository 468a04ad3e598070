"""Dice loss of AVSegFormer."""
from torch import Tensor

from ..losses.frame_loss import IGNORED, at_label_size


def squared_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """1 − 2Σpg / (Σp² + 1e-3 + Σg² + 1e-3) of each frame over its pixels that are not ignored.

    Args:
        logits: (n, 1, h, w) of "sounding".
        labels: (n, H, W); every class but 0 sounds, 255 is ignored.

    Returns:
        (n,).
    """
    valid = (labels != IGNORED).flatten(1)
    p = at_label_size(logits, labels).sigmoid().flatten(1) * valid
    g = (labels > 0).flatten(1) & valid
    return 1 - 2 * (p * g).sum(1) / (p.square().sum(1) + g.sum(1) + 2e-3)
