"""Segmentors of our own and for mmseg's models; those of the peers are in their folders."""
from .av_encoder_decoder import AVEncoderDecoder
from .av_segmentor import AVSegmentor

__all__ = ['AVEncoderDecoder', 'AVSegmentor']
