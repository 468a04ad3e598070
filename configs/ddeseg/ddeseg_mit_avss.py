# DDESeg on AVSS: MiT-B5, HTS-AT.
_base_ = [
    '../_base_/models/ddeseg_mit.py', '../_base_/datasets/avsbench_avss.py', '../_base_/datasets/ddeseg_pipelines.py',
    '../_base_/schedules/ddeseg.py', '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=71))
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_.htsat.train))
val_dataloader = dict(dataset=dict(pipeline=_base_.htsat.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.htsat.test))
