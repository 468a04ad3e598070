# COMBO with two ResNet-50, whose norms are frozen as in detectron2. Weights: docs/en/weights.md.
_base_ = 'baseline_r50.py'
model = dict(
    type='COMBO',
    backbone=dict(norm_cfg=dict(type='BN', requires_grad=False)),
    audio_neck=None,
    neck=None,
    maskige_channels=_base_.channels,
    maskige_encoder=dict(
        type='mmseg.ResNet',
        depth=50,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='OfficialResNetInit', checkpoint=_base_.r50_weights)),
    decode_head=dict(
        type='COMBOHead',
        score='softmax',
        decoder=dict(_delete_=True, type='COMBOQueryDecoder'),
        loss=dict(class_loss='ce', loss_weights=(2., 5., 5.))))
