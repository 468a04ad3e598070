# AVSegFormer with PVT-v2-B5. Weights: docs/en/weights.md.
_base_ = 'baseline_pvt.py'
model = dict(
    audio_neck=None,
    neck=None,
    decode_head=dict(_delete_=True, type='AVSegFormerHead', num_classes=2, in_channels=_base_.channels))
