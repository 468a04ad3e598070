# DDESeg on VPO-MSMI, mono: MiT-B5, HTS-AT.
_base_ = 'ddeseg_mit_vpo-ss.py'
train_dataloader = dict(dataset=dict(subset='msmi'))
val_dataloader = dict(dataset=dict(subset='msmi'))
test_dataloader = dict(dataset=dict(subset='msmi'))
