# mmseg's SegFormer-B0 with a small fusion neck that lets it hear; random weights, synthetic clips in MS3's layout.
# By path: mmengine looks `mmseg::` up under the name mmsegmentation, which the OneDL distribution does not carry.
_base_ = [__import__('mmseg').__path__[0] + '/.mim/configs/segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py']
data_root = 'data/synthetic_ms3/Multi-sources'
size = (112, 112)
max_epochs = 10

model = dict(
    type='mmicf.AVEncoderDecoder',
    data_preprocessor=dict(_delete_=True, type='mmicf.AVDataPreprocessor'),
    backbone=dict(init_cfg=None),
    decode_head=dict(num_classes=2, norm_cfg=dict(type='GN', num_groups=32), dropout_ratio=0.),
    audio_backbone=dict(type='mmicf.VGGish', channels=(16, 32, 64, 64), hidden_dims=128, out_dims=64, frozen=False),
    audio_neck=dict(type='mmicf.AudioNeck', in_channels=64, embed_dims=64),
    fusion=dict(type='mmicf.AVFusionNeck', in_channels=[32, 64, 160, 256], audio_dims=64, embed_dims=64))

load_clip = [
    dict(type='mmicf.LoadFrames'),
    dict(type='mmicf.LoadMasks'),
    dict(type='mmicf.ClipResize', size=size),
    dict(type='mmicf.LoadAudio'),
    dict(type='mmicf.LogMel')
]
train_pipeline = [*load_clip, dict(type='mmicf.ClipRandomFlip'), dict(type='mmicf.PackAVSInputs')]
test_pipeline = [*load_clip, dict(type='mmicf.PackAVSInputs')]
dataset = dict(_delete_=True, type='mmicf.AVSBenchMS3Dataset', data_root=data_root)
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(**dataset, split='val', pipeline=test_pipeline, test_mode=True))
test_dataloader = dict(
    batch_size=4,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(**dataset, split='test', pipeline=test_pipeline, test_mode=True))
val_evaluator = dict(
    _delete_=True,
    type='mmicf.FrameEvaluator',
    metrics=dict(type='IoUMetric', iou_metrics=['mIoU']),
    clip_metrics=dict(type='mmicf.AVSBenchMetric', task='binary', empty_gt='skip'))
test_evaluator = val_evaluator

# From random weights the backbone learns as fast as the head.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3), paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.))), clip_grad=dict(max_norm=1.))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=40, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(_delete_=True, type='mmicf.ResumableEpochTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
log_processor = dict(by_epoch=True)
default_hooks = dict(
    checkpoint=dict(by_epoch=True, interval=max_epochs),
    logger=dict(interval=20, log_metric_by_epoch=True),
    visualization=dict(_delete_=True, type='mmicf.AVSVisualizationHook'))
custom_hooks = [dict(type='mmicf.SeedHook')]
visualizer = dict(_delete_=True, type='mmicf.AVSLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
