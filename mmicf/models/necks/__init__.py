"""Necks between backbones and decode heads."""
from .audio_neck import AudioNeck
from .mit_neck import ChannelAttention, ClipContext, MITContext, MITNeck, segment_starts

__all__ = ['AudioNeck', 'ChannelAttention', 'ClipContext', 'MITContext', 'MITNeck', 'segment_starts']
