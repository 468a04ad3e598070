# COMBO with two PVT-v2-B5, one for frames and one for maskiges. Weights: docs/en/weights.md.
_base_ = 'baseline_pvt.py'
model = dict(
    type='COMBO',
    audio_neck=None,
    neck=None,
    maskige_channels=_base_.channels,
    maskige_encoder=dict(
        type='mmpretrain.TIMMBackbone',
        model_name='pvt_v2_b5',
        features_only=True,
        pretrained=False,
        drop_path_rate=0.1,
        init_cfg=dict(type='OfficialPVTv2Init', checkpoint=_base_.pvt_weights)),
    decode_head=dict(
        type='COMBOHead',
        score='softmax',
        decoder=dict(_delete_=True, type='COMBOQueryDecoder'),
        loss=dict(class_loss='ce', loss_weights=(2., 5., 5.))))
