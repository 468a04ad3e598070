"""TPAVI, the audio-visual segmentation model that came with AVSBench."""
from .attention import TPAVIAttention
from .head import TPAVIHead, TPAVIOutputs

__all__ = ['TPAVIAttention', 'TPAVIHead', 'TPAVIOutputs']
