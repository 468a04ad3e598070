default_scope = 'mmicf'
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=True),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='JF', rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='AVSVisualizationHook'))
custom_hooks = [
    dict(type='SeedHook'),
    dict(type='NumClassesHook'),
    dict(type='BestSplitHook'),
    dict(type='InvalidLossHook'),
    dict(type='CheckpointCheckHook')
]
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='AVSLocalVisualizer', vis_backends=vis_backends)
log_processor = dict(by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False
