"""Noise at an exact ratio, silence, and frames of another clip."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchS4Dataset
from mmicf.datasets.transforms import AudioNoise, FrameMixing, SilenceAudio


def sound(waveform, seed=0, **extra):
    return dict(clip_id='c', waveform=waveform, sample_rate=16000, rng=np.random.default_rng(seed), **extra)


def tone(channels=1, length=16000, level=0.3):
    t = np.arange(length) / 16000
    return np.stack([level * np.sin(2 * np.pi * 440 * t) * (1 + c) for c in range(channels)]).astype(np.float32)


@pytest.mark.parametrize('snr_db', [-10.0, 0.0, 5.0, 30.0])
@pytest.mark.parametrize('channels', [1, 2])
def test_signal_to_noise_ratio_is_met(snr_db, channels):
    clean = tone(channels, length=4000)
    noisy = AudioNoise(snr_db=snr_db)(sound(clean.copy()))['waveform']
    noise = noisy.astype(np.float64) - clean
    assert abs(10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / np.mean(noise ** 2)) - snr_db) < 0.1
    assert noisy.dtype == np.float32 and noisy.shape == clean.shape
    if channels == 2:
        assert abs(np.corrcoef(noise)[0, 1]) < 0.1  # independent in the two channels
    whiteness = np.corrcoef(noise[0, :-1], noise[0, 1:])[0, 1]
    assert abs(whiteness) < 0.06
    kurtosis = np.mean(noise[0] ** 4) / np.mean(noise[0] ** 2) ** 2
    assert 2.6 < kurtosis < 3.4  # 3 for a Gaussian, 1.8 for a uniform


def test_noise_depends_on_the_generator_alone_and_keeps_its_probability():
    clean = tone()
    a, b, c = (AudioNoise(snr_db=0)(sound(clean.copy(), seed))['waveform'] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    changed = [not np.array_equal(AudioNoise(snr_db=0, prob=0.25)(sound(clean[:, :8], seed))['waveform'], clean[:, :8])
               for seed in range(400)]
    assert 0.18 < np.mean(changed) < 0.32


def test_silence_stays_silent():
    silent = np.zeros((1, 100), dtype=np.float32)
    out = AudioNoise(snr_db=0)(sound(silent))['waveform']
    assert not out.any() and np.isfinite(out).all()
    out = SilenceAudio()(sound(tone(2)))['waveform']
    assert out.shape == (2, 16000) and out.dtype == np.float32 and not out.any()


@pytest.mark.parametrize('transform', [AudioNoise(snr_db=0), SilenceAudio()])
def test_corruption_that_could_not_reach_the_model_is_an_error(transform):
    with pytest.raises(ValueError, match=r'clip c: .* needs a waveform; put LoadAudio before it'):
        transform(dict(clip_id='c', rng=np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r'clip c: .* must come before the log-mel examples'):
        transform(sound(tone(), log_mel=np.zeros((5, 1, 96, 64), dtype=np.float32)))


@pytest.mark.parametrize('options', [dict(snr_db=float('nan')), dict(snr_db=0, prob=1.5)])
def test_bad_noise_options(options):
    with pytest.raises(ValueError, match='snr_db must be finite and prob'):
        AudioNoise(**options)


VISUAL = [dict(type='LoadFrames'), dict(type='LoadMasks')]


def mixed(root, dataset=AVSBenchMS3Dataset, split='train', **options):
    mixing = [dict(type='FrameMixing', **options)] if options else []
    return dataset(data_root=str(root), split=split, pipeline=VISUAL + mixing)


def test_frames_of_one_donor_replace_frames_at_their_own_index(ms3_root):
    plain = [mixed(ms3_root)[i] for i in range(3)]
    dataset = mixed(ms3_root, ratio=1.0, frame_ratio=0.4)
    for epoch in range(5):
        dataset.set_epoch(epoch)
        out = dataset[0]
        replaced = [i for i in range(5) if not np.array_equal(out['frames'][i], plain[0]['frames'][i])]
        assert len(replaced) == 2
        fits = [d for d in (1, 2) if all(np.array_equal(out['frames'][i], plain[d]['frames'][i]) for i in replaced)]
        assert len(fits) == 1
        for i in range(5):
            if i in replaced:
                assert not out['masks'][i].any() and out['frame_paths'][i] == plain[fits[0]]['frame_paths'][i]
            else:
                np.testing.assert_array_equal(out['masks'][i], plain[0]['masks'][i])
        assert out['has_gt'] == [True] * 5 and out['audio'] == plain[0]['audio']


def test_replaced_frames_can_be_ignored(ms3_root):
    out = mixed(ms3_root, ratio=1.0, frame_ratio=1.0, ground_truth='ignore')[0]
    assert out['masks'] == [None] * 5 and out['has_gt'] == [False] * 5


def test_frames_without_ground_truth_stay_so(s4_root):
    out = mixed(s4_root, AVSBenchS4Dataset, ratio=1.0, frame_ratio=1.0)[0]
    assert out['has_gt'] == [True] + [False] * 4 and out['masks'][1:] == [None] * 4 and not out['masks'][0].any()


def test_share_of_mixed_clips(ms3_root):
    dataset, plain = mixed(ms3_root, ratio=0.25, frame_ratio=0.2), mixed(ms3_root)[0]['frame_paths']
    changed = []
    for epoch in range(200):
        dataset.set_epoch(epoch)
        differing = sum(a != b for a, b in zip(dataset[0]['frame_paths'], plain, strict=True))
        assert differing in (0, 1)
        changed.append(differing)
    assert 0.16 < np.mean(changed) < 0.34


def test_donor_of_another_category_is_preferred_and_resized(tmp_path):
    path = str(tmp_path / 'large.png')
    Image.fromarray(np.full((20, 30, 3), 77, dtype=np.uint8)).save(path)

    def get_donor(rng):
        return [dict(category='cat_dog', frame_paths=['unused']), dict(category='car', frame_paths=[path])][rng.integers(2)]

    for seed in range(8):
        out = FrameMixing(ratio=1.0)(dict(
            clip_id='c', num_frames=1, category='dog_man', frames=[np.zeros((10, 15, 3), dtype=np.uint8)],
            frame_paths=['own'],
            masks=[np.ones((10, 15), dtype=np.uint8)], has_gt=[True], img_shape=(10, 15), get_donor=get_donor,
            rng=np.random.default_rng(seed)))
        assert out['frames'][0].shape == (10, 15, 3) and (out['frames'][0] == 77).all() and out['frame_paths'] == [path]


def test_a_donor_brings_its_own_maskiges(ms3_root, tmp_path):
    mixing = dict(type='FrameMixing', ratio=1.0, frame_ratio=0.4)
    maskiges = dict(type='LoadMaskiges', data_root=str(ms3_root), maskige_root=str(tmp_path))
    plain = AVSBenchMS3Dataset(data_root=str(ms3_root), split='train', pipeline=VISUAL)
    colours = {}
    for clip in range(3):
        for k, path in enumerate(plain[clip]['frame_paths']):
            target = (tmp_path / Path(path).relative_to(ms3_root)).with_suffix('.png')
            target.parent.mkdir(parents=True, exist_ok=True)
            colours[path] = (10 * clip, 20 * k, 99)
            Image.new('RGB', plain[clip]['ori_shape'][::-1], colours[path]).save(target)
    out = AVSBenchMS3Dataset(data_root=str(ms3_root), split='train', pipeline=[*VISUAL, mixing, maskiges])[0]
    assert out['frame_paths'] != plain[0]['frame_paths']
    for path, maskige in zip(out['frame_paths'], out['maskiges'], strict=True):
        assert (maskige == colours[path]).all()
    with pytest.raises(ValueError, match='clip x_0: FrameMixing must come before LoadMaskiges'):
        AVSBenchMS3Dataset(data_root=str(ms3_root), split='train', pipeline=[*VISUAL, maskiges, mixing])[0]


def test_bad_order_and_options(ms3_root):
    pipeline = [dict(type='LoadFrames'), dict(type='FrameMixing', ratio=1.0), dict(type='LoadMasks')]
    dataset = AVSBenchMS3Dataset(data_root=str(ms3_root), split='train', pipeline=pipeline)
    with pytest.raises(ValueError, match='clip x_0: FrameMixing must come after LoadFrames and LoadMasks'):
        dataset[0]
    for options in (dict(ratio=2), dict(frame_ratio=0), dict(ground_truth='donor')):
        with pytest.raises(ValueError, match='must'):
            FrameMixing(**options)
