"""COMBO, the strongest per-frame peer and ICF's direct baseline."""
from .bilateral_fusion import BilateralFusion
from .head import COMBOHead, COMBOQueryDecoder
from .segmentor import COMBO

__all__ = ['COMBO', 'BilateralFusion', 'COMBOHead', 'COMBOQueryDecoder']
