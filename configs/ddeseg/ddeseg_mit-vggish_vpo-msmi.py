# DDESeg on VPO-MSMI, mono: MiT-B5, VGGish.
_base_ = 'ddeseg_mit-vggish_vpo-ss.py'
train_dataloader = dict(dataset=dict(subset='msmi'))
val_dataloader = dict(dataset=dict(subset='msmi'))
test_dataloader = dict(dataset=dict(subset='msmi'))
