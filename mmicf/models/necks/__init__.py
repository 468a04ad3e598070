"""Necks between backbones and decode heads."""
from .audio_neck import AudioNeck
from .av_fusion_neck import AVFusionNeck
from .mit_neck import ChannelAttention, ClipContext, MITContext, MITNeck, segment_starts

__all__ = ['AVFusionNeck', 'AudioNeck', 'ChannelAttention', 'ClipContext', 'MITContext', 'MITNeck', 'segment_starts']
