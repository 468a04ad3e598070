# AVSBench: Adam 1e-4, constant, 4 clips on one GPU, all of the network from the start.
_base_ = 'adamw_60e.py'
max_epochs = 30
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
param_scheduler = []
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=4)
