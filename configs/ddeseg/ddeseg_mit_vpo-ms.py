# DDESeg on VPO-MS, mono: MiT-B5, HTS-AT.
_base_ = 'ddeseg_mit_vpo-ss.py'
train_dataloader = dict(dataset=dict(subset='ms'))
val_dataloader = dict(dataset=dict(subset='ms'))
test_dataloader = dict(dataset=dict(subset='ms'))
