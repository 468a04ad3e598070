"""Losses: functions of tensors."""
from .cdcl import CDCLLoss
from .frame_loss import at_label_size, frame_cross_entropy, frame_mean
from .gaussian_distance import gaussian_entropy, gaussian_w2, relative_entropy
from .mask_matching import MaskMatchingLoss

__all__ = [
    'CDCLLoss', 'MaskMatchingLoss', 'at_label_size', 'frame_cross_entropy', 'frame_mean', 'gaussian_entropy', 'gaussian_w2',
    'relative_entropy'
]
