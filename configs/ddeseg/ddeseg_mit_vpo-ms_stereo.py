# As ddeseg_mit_vpo-ms.py on stereo sound: each sound is as loud on a side as its object is near to it. HTS-AT hears the mean of
# both sides, which is the mono sound at half its amplitude: the position is lost.
_base_ = 'ddeseg_mit_vpo-ms.py'
sound = [dict(type='LoadAudio', sample_rate=22050, duration=3.0, mono=False), dict(type='FitWaveform')]
train = [*_base_.cropped_pictures, *sound, *_base_.augmentation, *_base_.pack_waveform]
test = [*_base_.pictures, *sound, *_base_.pack_waveform]
train_dataloader = dict(dataset=dict(channels='stereo', pipeline=train))
val_dataloader = dict(dataset=dict(channels='stereo', pipeline=test))
test_dataloader = dict(dataset=dict(channels='stereo', pipeline=test))
