"""Segmentors."""
from .av_segmentor import AVSegmentor

__all__ = ['AVSegmentor']
