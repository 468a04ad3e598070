# DDESeg on S4: PVT-v2-B5, VGGish; one frame of each clip is labelled.
_base_ = [
    '../_base_/models/ddeseg_pvt.py', '../_base_/datasets/avsbench_s4.py', '../_base_/datasets/ddeseg_pipelines.py',
    '../_base_/schedules/ddeseg.py', '../_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=50, dataset=dict(pipeline=_base_.vggish.train))
val_dataloader = dict(dataset=dict(pipeline=_base_.vggish.test))
test_dataloader = dict(dataset=dict(pipeline=_base_.vggish.test))
