"""Decode heads."""
from .av_mask2former_head import AVMask2FormerHead, HeadOutputs
from .bidirectional_query_decoder import BidirectionalQueryDecoder, DecoderStates

__all__ = ['AVMask2FormerHead', 'BidirectionalQueryDecoder', 'DecoderStates', 'HeadOutputs']
