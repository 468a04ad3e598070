# AVSS with a maskige beside every frame (LoadMaskiges; docs/en/data.md).
_base_ = 'avsbench_avss.py'
load_maskiges = dict(type='LoadMaskiges', data_root=_base_.data_root, maskige_root='data/maskiges/AVSS')
train_pipeline = _base_.train_pipeline
train_pipeline.insert(2, load_maskiges)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(2, load_maskiges)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
