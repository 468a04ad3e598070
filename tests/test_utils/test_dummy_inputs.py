"""Random batches have the form that the preprocessor and the losses expect."""
import torch

from mmicf.models import AVDataPreprocessor
from mmicf.utils.dummy_inputs import dummy_batch, packed_fields


def test_batch_passes_the_preprocessor():
    batch = dummy_batch(clips=2, frames=3, size=(30, 50), num_classes=5, keys=('log_mel', 'waveform'), sample_rate=100)
    data = AVDataPreprocessor()(batch)
    inputs = data['inputs']
    assert inputs.frames.shape == (6, 3, 30, 50) and inputs.clip_index.tolist() == [0, 0, 0, 1, 1, 1]
    assert inputs.log_mel.shape == (6, 1, 96, 64)
    assert [w.shape for w in inputs.waveform] == [(300, ), (300, )] and inputs.sample_rate == (100, 100)
    masks = torch.stack([f.gt_sem_seg.data for s in data['data_samples'] for f in s.frames])
    assert masks.shape == (6, 1, 30, 50) and set(masks.unique().tolist()) == {0, 1, 2, 3, 4}
    assert [s.clip_id for s in data['data_samples']] == ['dummy/0', 'dummy/1']


def test_unused_audio_is_left_out():
    inputs = dummy_batch(clips=1, keys=('waveform', ))['inputs']
    assert inputs.log_mel == (None, ) and inputs.frames[0].shape == (5, 3, 224, 224)


def test_packed_fields_of_a_pipeline():
    pipeline = [dict(type='LoadFrames'), dict(type='mmicf.LoadAudio', sample_rate=48000),
                dict(type='PackAVSInputs', keys=['waveform'])]
    assert packed_fields(pipeline) == (('waveform', ), 48000)
    assert packed_fields([dict(type='LoadLogMel'), dict(type='PackAVSInputs')]) == (('log_mel', ), 16000)
    assert packed_fields([dict(type='mmicf.LoadMaskiges'), dict(type='PackAVSInputs')]) == (('log_mel', 'maskiges'), 16000)


def test_maskiges_are_other_pictures_than_the_frames():
    inputs = AVDataPreprocessor()(dummy_batch(clips=1, frames=2, size=(30, 50), keys=('maskiges', )))['inputs']
    assert inputs.maskiges.shape == inputs.frames.shape and (inputs.maskiges != inputs.frames).any()
