# DDESeg on VPO-MS, mono: MiT-B5, VGGish.
_base_ = 'ddeseg_mit-vggish_vpo-ss.py'
train_dataloader = dict(dataset=dict(subset='ms'))
val_dataloader = dict(dataset=dict(subset='ms'))
test_dataloader = dict(dataset=dict(subset='ms'))
