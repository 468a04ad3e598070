# VPO: one picture and 3 s of sound per clip, 22 classes. It has no validation split; CAVP and DDESeg select on test.
# A config sets subset; channels='stereo' with LoadAudio(mono=False) puts each sound where its object is. The audio backbones
# here hear the mean of both channels, from which the position is gone: it is for models that hear two.
dataset_type = 'VPODataset'
data_root = 'data/VPO/VPO'
subset = 'ss'
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='LoadAudio', duration=3.0),
    dict(type='LogMel'),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='ClipRandomFlip'),
    dict(type='PackAVSInputs')
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='LoadAudio', duration=3.0),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
train_dataloader = dict(
    batch_size=50,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, subset=subset, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=10,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type=dataset_type, data_root=data_root, subset=subset, split='test', pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader
val_evaluator = [dict(type='AVSBenchMetric', task='semantic'), dict(type='AVSConfusionMetric')]
test_evaluator = val_evaluator
