# DDESeg on VPO-SS, mono: MiT-B5, HTS-AT.
_base_ = [
    '../_base_/models/ddeseg_mit.py', '../_base_/datasets/vpo.py', '../_base_/datasets/ddeseg_pipelines.py',
    '../_base_/schedules/ddeseg.py', '../_base_/default_runtime.py'
]
model = dict(derivation=dict(memory=dict(path='data/memory/htsat_vpo.npz', classes='vpo')), decode_head=dict(num_classes=22))
# 3 s of sound; a one-frame clip hears the second in the middle.
sound = [dict(type='LoadAudio', sample_rate=22050, duration=3.0), dict(type='FitWaveform')]
train = [*_base_.cropped_pictures, *sound, *_base_.augmentation, *_base_.pack_waveform]
test = [*_base_.pictures, *sound, *_base_.pack_waveform]
train_dataloader = dict(dataset=dict(pipeline=train))
val_dataloader = dict(dataset=dict(pipeline=test))
test_dataloader = dict(dataset=dict(pipeline=test))
