"""Pictures of clips."""
from .av_local_visualizer import AVSLocalVisualizer

__all__ = ['AVSLocalVisualizer']
