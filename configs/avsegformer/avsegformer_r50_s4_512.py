# AVSegFormer on S4 at 512x512, the setting of its released code; masks and metrics are at 512x512 as well.
_base_ = 'avsegformer_r50_s4.py'
pipeline = _base_.pipeline
pipeline[2]['size'] = (512, 512)
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
