# AVSegFormer: AdamW 2e-5, constant, 2 clips on one GPU (4 on AVSS), frozen backbone in the first epochs of S4 and MS3.
_base_ = 'adamw_60e.py'
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-5, weight_decay=0.01))
param_scheduler = []
auto_scale_lr = dict(base_batch_size=2)
find_unused_parameters = True  # several GPUs: FreezeBackboneHook
