"""Transforms of one clip."""
from .audio_features import FitWaveform, LogMel
from .loading_audio import LoadAudio, LoadLogMel

__all__ = ['FitWaveform', 'LoadAudio', 'LoadLogMel', 'LogMel']
