"""Entry points for users."""
from .av_inferencer import AVSInferencer, FramePrediction

__all__ = ['AVSInferencer', 'FramePrediction']
