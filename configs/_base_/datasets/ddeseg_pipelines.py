# DDESeg's pictures (squashed to 224x224, flip, colour) with the sound of either backbone: HTS-AT hears one second of each frame.
vggish_sound = [dict(type='LoadAudio'), dict(type='LogMel')]
htsat_sound = [dict(type='LoadAudio', sample_rate=22050), dict(type='FitWaveform')]
pictures = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='ClipResize', size=(224, 224))]
augmentation = [dict(type='ClipPhotoMetricDistortion'), dict(type='ClipRandomFlip')]
pack_waveform = [dict(type='PackAVSInputs', keys=('waveform', ))]
htsat = dict(
    train=[*pictures, *htsat_sound, *augmentation, *pack_waveform],
    test=[*pictures, *htsat_sound, *pack_waveform])
vggish = dict(
    train=[*pictures, *vggish_sound, *augmentation, dict(type='PackAVSInputs')],
    test=[*pictures, *vggish_sound, dict(type='PackAVSInputs')])
