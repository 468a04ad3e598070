# AVSS with a maskige beside every frame (LoadMaskiges; how to make them: docs/en/data.md).
_base_ = 'avsbench_avss.py'
load_maskiges = dict(type='LoadMaskiges', data_root=_base_.data_root, maskige_root='data/maskiges/AVSS')
train_pipeline = [
    dict(type='LoadFrames'), load_maskiges,
    dict(type='LoadMasks'),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='ClipRandomFlip'),
    dict(type='PackAVSInputs')
]
test_pipeline = [
    dict(type='LoadFrames'), load_maskiges,
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
