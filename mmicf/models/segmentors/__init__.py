"""Segmentors."""
from .av_encoder_decoder import AVEncoderDecoder
from .av_segmentor import AVSegmentor
from .ddeseg import DDESeg

__all__ = ['AVEncoderDecoder', 'AVSegmentor', 'DDESeg']
