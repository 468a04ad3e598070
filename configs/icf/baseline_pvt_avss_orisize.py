# AVSS, tested at the frames' own size: masks are loaded after the resize, scores are resized back.
_base_ = 'baseline_pvt_avss.py'
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='LoadMasks'),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
model = dict(test_cfg=dict(size='ori'))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
