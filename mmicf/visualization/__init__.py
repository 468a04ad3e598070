"""Pictures of clips."""
from .av_local_visualizer import AVSLocalVisualizer
from .wandb_backend import AVSWandbBackend

__all__ = ['AVSLocalVisualizer', 'AVSWandbBackend']
