# DDESeg on VPO-SS, mono: MiT-B5, VGGish.
_base_ = [
    '../_base_/models/ddeseg_mit-vggish.py', '../_base_/datasets/vpo.py', '../_base_/datasets/ddeseg_pipelines.py',
    '../_base_/schedules/ddeseg.py', '../_base_/default_runtime.py'
]
model = dict(derivation=dict(memory=dict(path='data/memory/vggish_vpo.npz', classes='vpo')), decode_head=dict(num_classes=22))
sound = [dict(type='LoadAudio', duration=3.0), dict(type='LogMel')]
train = [*_base_.cropped_pictures, *sound, *_base_.augmentation, dict(type='PackAVSInputs')]
train_dataloader = dict(dataset=dict(pipeline=train))
