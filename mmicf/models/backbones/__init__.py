"""Initialisers of visual backbones; the backbones are mmpretrain's and mmseg's."""
from .official_weights import OfficialPVTv2Init, OfficialResNetInit

__all__ = ['OfficialPVTv2Init', 'OfficialResNetInit']
