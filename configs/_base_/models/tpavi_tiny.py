# A small TPAVI from random weights.
_base_ = 'baseline_tiny.py'
model = dict(
    audio_neck=None,
    neck=None,
    decode_head=dict(
        _delete_=True,
        type='TPAVIHead',
        num_classes=2,
        in_channels=_base_.channels,
        audio_dims=64,
        embed_dims=64,
        inner_dims=32))
