# DDESeg: AdamW 1e-4, weight decay 0.05 except for norms and biases, 2 warm-up epochs, cosine to 4e-5, 150 epochs.
# 50 labelled frames per GPU (8 clips of AVSS hold 49 on average); on how many GPUs is not published.
max_epochs = 150
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=2, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=4e-5, begin=2, end=max_epochs, by_epoch=True, convert_to_iter_based=True)
]
sync_bn = 'torch'  # on several GPUs
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
