"""Losses: functions of tensors."""
from .cdcl import CDCLLoss
from .gaussian_distance import gaussian_entropy, gaussian_w2, relative_entropy
from .mask_matching import MaskMatchingLoss

__all__ = ['CDCLLoss', 'MaskMatchingLoss', 'gaussian_entropy', 'gaussian_w2', 'relative_entropy']
