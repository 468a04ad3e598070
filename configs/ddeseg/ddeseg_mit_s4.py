# DDESeg on S4: MiT-B5, HTS-AT; one frame of each clip is labelled.
_base_ = [
    '../_base_/models/ddeseg_mit.py', '../_base_/datasets/avsbench_s4.py', '../_base_/datasets/ddeseg_pipelines.py',
    '../_base_/schedules/ddeseg.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=50, dataset=dict(pipeline=_base_.htsat.train))
val_dataloader = dict(dataset=dict(pipeline=_base_.htsat.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.htsat.test))
