"""Hooks, loops and optimizer wrappers."""
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AVSVisualizationHook, BestSplitHook, CheckpointCheckHook, FreezeBackboneHook, SeedHook
from .runner import ResumableBatchSampler, ResumableEpochTrainLoop

__all__ = [
    'AVSVisualizationHook', 'AutocastOptimWrapper', 'BestSplitHook', 'CheckpointCheckHook', 'FreezeBackboneHook',
    'ResumableBatchSampler', 'ResumableEpochTrainLoop', 'SeedHook'
]
