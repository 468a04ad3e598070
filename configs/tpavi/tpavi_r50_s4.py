# TPAVI on S4: 15 epochs, no regulariser.
_base_ = [
    '../_base_/models/tpavi_r50.py', '../_base_/datasets/plain_s4.py', '../_base_/schedules/tpavi.py',
    '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(avm_weight=0.))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_epochs=15)
