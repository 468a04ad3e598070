# AVSBench's TPAVI model with ResNet-50. Weights: docs/en/weights.md.
_base_ = 'baseline_r50.py'
model = dict(
    backbone=dict(norm_eval=False),  # the published code trains with batch statistics
    audio_neck=None,
    neck=None,
    decode_head=dict(_delete_=True, type='TPAVIHead', num_classes=2, in_channels=_base_.channels))
