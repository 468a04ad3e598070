# S4 at 512x512, AVSegFormer's setting; masks and metrics are at 512x512 as well.
_base_ = 'baseline_pvt_s4.py'
size = (512, 512)
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='ClipRandomResize', short_side=512, max_long_side=2048),
    dict(type='ClipRandomCrop', size=size),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='ClipRandomFlip'),
    dict(type='PackAVSInputs')
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=size),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
