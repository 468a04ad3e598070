"""Losses: functions of tensors."""
from .mask_matching import MaskMatchingLoss

__all__ = ['MaskMatchingLoss']
