# DDESeg's pictures with the sound of either backbone: HTS-AT hears one second of each frame.
# Training: a crop that keeps the objects, squashed to 224x224, colour, flip.
vggish_sound = [dict(type='LoadAudio'), dict(type='LogMel')]
htsat_sound = [dict(type='LoadAudio', sample_rate=22050), dict(type='FitWaveform')]
load = [dict(type='LoadFrames'), dict(type='LoadMasks')]
resize = dict(type='ClipResize', size=(224, 224))
pictures = [*load, resize]
cropped_pictures = [*load, dict(type='ClipRandomBoxCrop'), resize]
augmentation = [dict(type='ClipColorJitter'), dict(type='ClipRandomFlip')]
pack_waveform = [dict(type='PackAVSInputs', keys=('waveform', ))]
htsat = dict(
    train=[*cropped_pictures, *htsat_sound, *augmentation, *pack_waveform],
    test=[*pictures, *htsat_sound, *pack_waveform])
vggish = dict(
    train=[*cropped_pictures, *vggish_sound, *augmentation, dict(type='PackAVSInputs')],
    test=[*pictures, *vggish_sound, dict(type='PackAVSInputs')])
