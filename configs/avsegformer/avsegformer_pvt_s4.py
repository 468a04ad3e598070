# AVSegFormer on S4 at 224x224: 30 epochs, frozen backbone in the first 5.
_base_ = [
    '../_base_/models/avsegformer_pvt.py', '../_base_/datasets/plain_s4.py', '../_base_/schedules/avsegformer.py',
    '../_base_/default_runtime.py'
]
train_cfg = dict(max_epochs=30)
custom_hooks = [*_base_.custom_hooks, dict(type='FreezeBackboneHook', epochs=5)]
