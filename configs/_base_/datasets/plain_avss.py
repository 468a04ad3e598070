# AVSS as AVSBench (TPAVI) and AVSegFormer read it: training frames keep their aspect and are cut to the middle 224x224, no
# augmentation.
_base_ = 'avsbench_avss.py'
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', short_side=224),
    dict(type='ClipCenterCrop', size=(224, 224)),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
