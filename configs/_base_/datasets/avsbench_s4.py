# AVSBench-object, single source: 5 frames of 224x224, first frame labelled in training.
dataset_type = 'AVSBenchS4Dataset'
data_root = 'data/AVSBench/Single-source'
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='ClipRandomResize', short_side=224),
    dict(type='ClipRandomCrop', size=(224, 224)),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='ClipRandomFlip'),
    dict(type='PackAVSInputs')
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ClipResize', size=(224, 224)),
    dict(type='LoadAudio'),
    dict(type='LogMel'),
    dict(type='PackAVSInputs')
]
train_dataloader = dict(
    batch_size=1,  # per GPU; 8 GPUs
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type=dataset_type, data_root=data_root, split='val', pipeline=test_pipeline, test_mode=True))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type=dataset_type, data_root=data_root, split='test', pipeline=test_pipeline, test_mode=True))
val_evaluator = [dict(type='AVSBenchMetric', task='binary'), dict(type='AVSConfusionMetric')]
test_evaluator = val_evaluator
