# A small AVSegFormer from random weights.
_base_ = 'baseline_tiny.py'
model = dict(
    audio_neck=None,
    neck=None,
    decode_head=dict(
        _delete_=True,
        type='AVSegFormerHead',
        num_classes=2,
        in_channels=_base_.channels,
        audio_dims=64,
        embed_dims=64,
        num_queries=16,
        num_layers=2,
        ffn_dims=128,
        dropout=0.))
