"""Necks between backbones and decode heads."""
from .audio_neck import AudioNeck
from .mit_neck import ChannelAttention, MITContext, MITNeck, segment_starts

__all__ = ['AudioNeck', 'ChannelAttention', 'MITContext', 'MITNeck', 'segment_starts']
