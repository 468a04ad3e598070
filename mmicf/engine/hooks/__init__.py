"""Hooks of mmengine's runner."""
from .best_split_hook import BestSplitHook
from .checkpoint_check_hook import CheckpointCheckHook
from .freeze_backbone_hook import FreezeBackboneHook
from .invalid_loss_hook import InvalidLossHook
from .num_classes_hook import NumClassesHook
from .seed_hook import SeedHook
from .visualization_hook import AVSVisualizationHook

__all__ = ['AVSVisualizationHook', 'BestSplitHook', 'CheckpointCheckHook', 'FreezeBackboneHook', 'InvalidLossHook',
           'NumClassesHook', 'SeedHook']
