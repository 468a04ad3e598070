"""Hooks, loops, optimizer wrappers and their constructor."""
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import (
    AVSVisualizationHook,
    BestSplitHook,
    CheckpointCheckHook,
    FreezeBackboneHook,
    InvalidLossHook,
    NumClassesHook,
    SeedHook,
)
from .norm_decay_constructor import NormDecayConstructor
from .runner import ResumableBatchSampler, ResumableEpochTrainLoop

__all__ = [
    'AVSVisualizationHook', 'AutocastOptimWrapper', 'BestSplitHook', 'CheckpointCheckHook', 'FreezeBackboneHook',
    'InvalidLossHook', 'NormDecayConstructor', 'NumClassesHook', 'ResumableBatchSampler', 'ResumableEpochTrainLoop',
    'SeedHook'
]
