# DDESeg on VPO-MS, stereo: as ddeseg_mit_vpo-ss_stereo.py, which says what is left of the position.
_base_ = 'ddeseg_mit_vpo-ss_stereo.py'
train_dataloader = dict(dataset=dict(subset='ms'))
val_dataloader = dict(dataset=dict(subset='ms'))
test_dataloader = dict(dataset=dict(subset='ms'))
