"""Hooks, loops and optimizer wrappers."""
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AVSVisualizationHook, BestSplitHook, CheckpointCheckHook, SeedHook
from .runner import ResumableBatchSampler, ResumableEpochTrainLoop

__all__ = [
    'AVSVisualizationHook', 'AutocastOptimWrapper', 'BestSplitHook', 'CheckpointCheckHook', 'ResumableBatchSampler',
    'ResumableEpochTrainLoop', 'SeedHook'
]
