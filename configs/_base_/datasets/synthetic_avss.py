# Synthetic clips in AVSS's layout, 112x112 (docs/en/data.md has the command that makes them).
_base_ = 'avsbench_avss.py'
data_root = 'data/synthetic_avss/AVSS'
size = (112, 112)
load_audio = [dict(type='LoadAudio'), dict(type='LogMel')]
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
# Loading takes a twentieth of a step on a CPU: worker processes would only take cores from the model.
loader = dict(batch_size=4, num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=test_pipeline))
# Six of the 70 classes occur; the others would count as zero.
val_evaluator = [dict(type='AVSBenchMetric', task='semantic', absent='skip'), dict(type='AVSConfusionMetric', absent='skip')]
test_evaluator = val_evaluator
