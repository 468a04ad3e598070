# COMBO on S4: 90k iterations of 8 clips, in epochs.
_base_ = [
    '../_base_/models/combo_pvt.py', '../_base_/datasets/maskiges_s4.py', '../_base_/schedules/adamw_60e.py',
    '../_base_/default_runtime.py'
]
max_epochs = 208
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=max_epochs)
