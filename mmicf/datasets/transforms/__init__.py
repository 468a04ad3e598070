"""Transforms of one clip."""
from .audio_features import FitWaveform, LogMel
from .box_crop import ClipRandomBoxCrop
from .corruption import AudioNoise, FrameMixing, NegativeAudio, NoiseAudio, SilenceAudio
from .formatting import PackAVSInputs
from .geometric import ClipCenterCrop, ClipRandomCrop, ClipRandomFlip, ClipRandomResize, ClipResize
from .loading_anchors import LoadAnchors
from .loading_audio import LoadAudio, LoadLogMel
from .loading_frames import LoadFrames, LoadMasks
from .loading_maskiges import LoadMaskiges
from .photometric import ClipColorJitter, ClipPhotoMetricDistortion

__all__ = [
    'AudioNoise', 'ClipCenterCrop', 'ClipColorJitter', 'ClipPhotoMetricDistortion', 'ClipRandomBoxCrop', 'ClipRandomCrop',
    'ClipRandomFlip', 'ClipRandomResize', 'ClipResize', 'FitWaveform', 'FrameMixing', 'LoadAnchors', 'LoadAudio',
    'LoadFrames', 'LoadLogMel', 'LoadMaskiges', 'LoadMasks', 'LogMel', 'NegativeAudio', 'NoiseAudio', 'PackAVSInputs',
    'SilenceAudio'
]
