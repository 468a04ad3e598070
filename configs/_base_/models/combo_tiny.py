# A small COMBO from random weights, without maskiges.
_base_ = 'baseline_tiny.py'
model = dict(
    type='COMBO',
    audio_neck=None,
    neck=None,
    decode_head=dict(
        type='COMBOHead',
        audio_dims=64,
        audio_hidden_dims=128,
        score='softmax',
        decoder=dict(_delete_=True, type='COMBOQueryDecoder', num_queries=16, num_layers=3, ffn_dims=256),
        loss=dict(class_loss='ce', loss_weights=(2., 5., 5.))))
