"""Packing and collating clips of different lengths."""
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmicf.datasets import AVSBenchSemanticDataset
from mmicf.datasets.transforms import PackAVSInputs


def clip(total=3, **change):
    rng = np.random.default_rng(0)
    results = dict(
        clip_id='c', subset='ms3', num_frames=total, sample_idx=4, audio=[dict(path='a.wav', position=None)],
        frame_paths=[f'f{i}.png' for i in range(total)], mask_paths=[f'm{i}.png' for i in range(total)],
        has_gt=[True] * total, ori_shape=(12, 16), img_shape=(6, 8),
        frames=[rng.integers(0, 256, (6, 8, 3)).astype(np.uint8) for _ in range(total)],
        masks=[rng.integers(0, 2, (6, 8)).astype(np.uint8) for _ in range(total)],
        log_mel=rng.standard_normal((total, 1, 96, 64)).astype(np.float32),
        waveform=rng.standard_normal((1, 800)).astype(np.float32), sample_rate=16000)
    return {**results, **change}


def test_inputs():
    results = clip()
    inputs = PackAVSInputs()(results)['inputs']
    assert inputs.frames.dtype == torch.uint8 and inputs.frames.shape == (3, 3, 6, 8) and inputs.frames.is_contiguous()
    np.testing.assert_array_equal(inputs.frames[1].permute(1, 2, 0).numpy(), results['frames'][1])
    np.testing.assert_array_equal(inputs.log_mel.numpy(), results['log_mel'])
    assert inputs.waveform is None and inputs.sample_rate is None


def test_waveform_is_mono_or_stereo_and_comes_with_its_rate():
    mono = PackAVSInputs(keys=['waveform'])(clip())['inputs']
    assert mono.log_mel is None and mono.waveform.shape == (800,) and mono.sample_rate == 16000
    stereo = clip(waveform=np.arange(12, dtype=np.float32).reshape(2, 6)[::-1])  # a flipped view has negative strides
    inputs = PackAVSInputs(keys=['log_mel', 'waveform'])(stereo)['inputs']
    assert inputs.waveform.tolist() == stereo['waveform'].tolist() and inputs.log_mel is not None
    silent = PackAVSInputs(keys=[])(clip())['inputs']
    assert silent.log_mel is None and silent.waveform is None


def test_data_samples():
    results = clip(has_gt=[True, False, True])
    results['masks'][1] = None
    results['masks'][2][0, 0] = 255
    sample = PackAVSInputs()(results)['data_samples']
    assert sample.metainfo == dict(clip_id='c', subset='ms3', num_frames=3, sample_idx=4, audio_path='a.wav')
    assert len(sample.frames) == 3
    assert sample.frames[2].metainfo == dict(
        clip_id='c', frame_idx=2, has_gt=True, img_path='f2.png', seg_map_path='m2.png', ori_shape=(12, 16),
        img_shape=(6, 8))
    ground_truth = sample.frames[2].gt_sem_seg.data
    assert ground_truth.dtype == torch.int64 and ground_truth.shape == (1, 6, 8) and ground_truth[0, 0, 0] == 255
    np.testing.assert_array_equal(ground_truth[0].numpy(), results['masks'][2])
    assert 'gt_sem_seg' not in sample.frames[1] and sample.frames[1].has_gt is False


def test_ground_truth_may_keep_the_original_size():
    results = clip(masks=[np.ones((12, 16), dtype=np.uint8)] * 3)
    assert PackAVSInputs()(results)['data_samples'].frames[0].gt_sem_seg.shape == (12, 16)


def test_audio_path_is_optional():
    assert PackAVSInputs()(clip(audio=[]))['data_samples'].audio_path is None


@pytest.mark.parametrize('change, message', [
    (dict(log_mel=np.zeros((4, 1, 96, 64))), 'clip c: found 4 log_mel, expected 3, one per frame'),
    (dict(frames=[np.zeros((6, 8, 3), np.uint8)] * 2), 'clip c: found 2 frames, expected 3'),
    (dict(masks=[np.zeros((6, 8), np.uint8)] * 5), 'clip c: found 5 masks, expected 3'),
    (dict(frames=[np.zeros((6, w, 3), np.uint8) for w in (8, 8, 9)]), r'found frames of \[\(6, 8, 3\), \(6, 9, 3\)\]'),
    (dict(masks=[np.zeros((6, 8), np.uint8), None, None]), r'frames \[1, 2\] have ground truth, but found no mask')])
def test_counts_that_differ_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        PackAVSInputs()(clip(**change))


@pytest.mark.parametrize('key', ['frames', 'log_mel', 'waveform', 'masks'])
def test_what_was_not_loaded_is_named(key):
    results = clip()
    del results[key]
    message = 'frames .* have ground truth' if key == 'masks' else f'{key} is missing'
    with pytest.raises(ValueError, match='clip c: ' + message):
        PackAVSInputs(keys=['log_mel', 'waveform'])(results)


def test_unknown_key():
    with pytest.raises(ValueError, match=r"keys must be of \['log_mel', 'waveform'\], got \['mel'\]"):
        PackAVSInputs(keys=['mel'])


def test_clips_of_different_length_collate(avss_root):
    dataset = AVSBenchSemanticDataset(data_root=str(avss_root), split='train', pipeline=[
        dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='ClipResize', size=(8, 8)), dict(type='LoadAudio'),
        dict(type='LogMel'), dict(type='PackAVSInputs')])
    batch = pseudo_collate([dataset[i] for i in (0, 2)])
    assert [f.shape for f in batch['inputs'].frames] == [(5, 3, 8, 8), (10, 3, 8, 8)]
    assert [m.shape for m in batch['inputs'].log_mel] == [(5, 1, 96, 64), (10, 1, 96, 64)]
    assert batch['inputs'].waveform == (None, None)
    assert [sum('gt_sem_seg' in f for f in s.frames) for s in batch['data_samples']] == [1, 10]
    assert [s.sample_idx for s in batch['data_samples']] == [0, 2]
