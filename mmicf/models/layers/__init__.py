"""Blocks that more than one part of a model uses."""
from .attention import FFN, MLP, MultiHeadAttention, sine_positions_1d, sine_positions_2d
from .clips import apply_per_clip, clip_lengths, clip_mean, clips_by_length, frames_by_clip, split_clips
from .frozen_tower import FrozenTower, tower_weights
from .initialisation import init_centred
from .ms_deform_attn import MSDeformAttention, cell_centres, ms_deform_attn_sampling
from .pooling import masked_mean
from .upsampled_conv import conv_of_upsampled

__all__ = [
    'FFN', 'MLP', 'FrozenTower', 'MSDeformAttention', 'MultiHeadAttention', 'apply_per_clip', 'cell_centres', 'clip_lengths',
    'clip_mean', 'clips_by_length', 'conv_of_upsampled', 'frames_by_clip', 'init_centred', 'masked_mean',
    'ms_deform_attn_sampling', 'sine_positions_1d', 'sine_positions_2d', 'split_clips', 'tower_weights'
]
