# The same model on silent input: it must stay at the level of the best guess that does not hear.
_base_ = 'baseline_tiny_synthetic.py'
load_audio = [dict(type='LoadAudio'), dict(type='SilenceAudio'), dict(type='LogMel')]
size = (112, 112)
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=size), *load_audio,
    dict(type='ClipRandomFlip'),
    dict(type='PackAVSInputs')
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=size), *load_audio,
    dict(type='PackAVSInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
