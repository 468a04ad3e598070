# MS3 as AVSBench (TPAVI) and AVSegFormer read it: frames squashed to 224x224, no augmentation.
_base_ = 'avsbench_ms3.py'
pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
