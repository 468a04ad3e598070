# DDESeg on VPO-MSMI, stereo: as ddeseg_mit_vpo-ss_stereo.py, which says what is left of the position.
_base_ = 'ddeseg_mit_vpo-ss_stereo.py'
train_dataloader = dict(dataset=dict(subset='msmi'))
val_dataloader = dict(dataset=dict(subset='msmi'))
test_dataloader = dict(dataset=dict(subset='msmi'))
