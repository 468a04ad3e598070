# TPAVI on MS3: 30 epochs, KL regulariser 0.5.
_base_ = [
    '../_base_/models/tpavi_r50.py', '../_base_/datasets/plain_ms3.py', '../_base_/schedules/tpavi.py',
    '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=4)
