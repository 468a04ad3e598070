"""Segmentors."""
from .av_encoder_decoder import AVEncoderDecoder
from .av_segmentor import AVSegmentor

__all__ = ['AVEncoderDecoder', 'AVSegmentor']
