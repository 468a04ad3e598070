# AVSegFormer on MS3 at 224x224: 60 epochs, frozen backbone in the first 10.
_base_ = [
    '../_base_/models/avsegformer_pvt.py', '../_base_/datasets/plain_ms3.py', '../_base_/schedules/avsegformer.py',
    '../_base_/default_runtime.py'
]
train_cfg = dict(max_epochs=60)
custom_hooks = [*_base_.custom_hooks, dict(type='FreezeBackboneHook', epochs=10)]
