# Small models from random weights on synthetic clips: AdamW 1e-3 with warm-up, minutes on two CPU cores.
_base_ = 'adamw_60e.py'
max_epochs = 10
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, fused=True),
    clip_grad=dict(max_norm=1.0),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=1.0)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=40, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
auto_scale_lr = dict(base_batch_size=4)
