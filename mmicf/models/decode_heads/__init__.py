"""Decode heads."""
from .av_mask2former_head import AVMask2FormerHead, HeadOutputs
from .bidirectional_query_decoder import BidirectionalQueryDecoder, DecoderStates
from .dense_head import DenseAVHead, labelled_frames

__all__ = ['AVMask2FormerHead', 'BidirectionalQueryDecoder', 'DecoderStates', 'DenseAVHead', 'HeadOutputs',
           'labelled_frames']
