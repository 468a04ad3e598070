"""Decoders from backbone maps to mask features."""
from .msdeform_attn import MSDeformAttnPixelDecoder

__all__ = ['MSDeformAttnPixelDecoder']
