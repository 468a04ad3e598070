"""Clip-consistent resizing, cropping and flipping."""
import numpy as np
import pytest
from PIL import Image

from mmicf.datasets.transforms import ClipCenterCrop, ClipRandomCrop, ClipRandomFlip, ClipRandomResize, ClipResize


def clip(height=20, width=30, total=3, seed=0, **extra):
    """Identical frames whose red channel is the mask, so that frames and masks must move alike."""
    mask = np.random.default_rng(7).integers(0, 5, (height, width)).astype(np.uint8)
    frame = np.random.default_rng(8).integers(0, 256, (height, width, 3)).astype(np.uint8)
    frame[..., 0] = mask
    return dict(clip_id='c', num_frames=total, frames=[frame.copy() for _ in range(total)], img_shape=(height, width),
                masks=[None if i == 1 else mask.copy() for i in range(total)], rng=np.random.default_rng(seed), **extra)


@pytest.mark.parametrize('transform', [
    ClipResize(size=(9, 14)), ClipResize(short_side=11), ClipRandomResize(short_side=16, max_long_side=40),
    ClipRandomCrop(size=(12, 13)), ClipRandomCrop(size=(32, 13)), ClipCenterCrop(size=(6, 8)),
    ClipRandomFlip(prob=0.5)])
def test_all_frames_share_the_draw_and_shapes_agree(transform):
    seen = set()
    for seed in range(12):
        out = transform(clip(seed=seed))
        assert all(np.array_equal(out['frames'][0], f) for f in out['frames']) and len(out['frames']) == 3
        assert out['masks'][1] is None and np.array_equal(out['masks'][0], out['masks'][2])
        assert out['frames'][0].shape == (*out['img_shape'], 3) and out['masks'][0].shape == out['img_shape']
        assert out['frames'][0].dtype == out['masks'][0].dtype == np.uint8
        again = transform(clip(seed=seed))
        np.testing.assert_array_equal(out['frames'][0], again['frames'][0])
        seen.add(out['frames'][0].tobytes())
    assert (len(seen) > 1) == ('Random' in type(transform).__name__)


@pytest.mark.parametrize('transform', [
    ClipRandomCrop(size=(12, 13)), ClipCenterCrop(size=(6, 8)), ClipRandomFlip(prob=1.0)])
def test_masks_move_exactly_like_frames(transform):
    for seed in range(5):
        out = transform(clip(seed=seed))
        np.testing.assert_array_equal(out['frames'][2][..., 0], out['masks'][2])


def test_resized_mask_lies_where_the_resized_picture_does():
    # An object's edge: antialiased in the picture, at the same place (within half a pixel) in the mask.
    for width in (7, 10, 13, 45, 61):
        results = clip(height=20, width=30)
        mask = np.zeros((20, 30), dtype=np.uint8)
        mask[:, 12:21] = 1
        results.update(masks=[mask] * 3, frames=[np.repeat(mask[..., None] * 200, 3, axis=2)] * 3)
        out = ClipResize(size=(20, width))(results)
        mass = out['frames'][0][10, :, 0] / 200
        columns = np.arange(width) + 0.5
        centre = (mass * columns).sum() / mass.sum()
        assert abs(centre - columns[out['masks'][0][10] > 0].mean()) <= 0.5
        assert abs(centre - 16.5 * width / 30) < 0.05 * width / 30 + 0.02
        assert set(np.unique(out['masks'][0])) == {0, 1}


@pytest.mark.parametrize('size', [(40, 60), (20, 61), (7, 11)])
def test_resizing_masks_invents_no_class(size):
    results = clip()
    results['masks'] = [np.where(mask > 2, 40, 3).astype(np.uint8) for mask in (results['masks'][0],) * 3]
    assert set(np.unique(ClipResize(size=size)(results)['masks'])) == {3, 40}


@pytest.mark.parametrize('size', [(40, 60), (20, 61), (33, 30), (10, 60), (7, 11)])
def test_pictures_are_resized_as_by_pil(size):
    frame = clip()['frames'][0]
    expected = np.array(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    assert abs(ClipResize(size=size)(clip())['frames'][0].astype(int) - expected).max() <= 1


def test_resize_rules():
    assert ClipResize(size=(9, 14))(clip())['img_shape'] == (9, 14)
    assert ClipResize(short_side=11)(clip())['img_shape'] == (11, 16)  # int(30 * 11 / 20)
    assert ClipResize(short_side=11)(clip(height=30, width=20))['img_shape'] == (16, 11)
    same = clip()
    np.testing.assert_array_equal(ClipResize(size=(20, 30))(clip())['frames'][0], same['frames'][0])
    for options in ({}, dict(size=(3, 4), short_side=5), dict(size=(3,)), dict(size=(0, 4))):
        with pytest.raises(ValueError):
            ClipResize(**options)


def test_random_resize_draws_every_ratio_and_keeps_the_longest_side():
    transform = ClipRandomResize(short_side=20, max_long_side=48)
    shapes = {transform(clip(seed=seed))['img_shape'] for seed in range(300)}
    expected = {(s, round(30 * s / 20)) for s in range(10, 42, 2) if 30 * s / 20 <= 48} | {(32, 48)}
    assert shapes == expected
    default = ClipRandomResize()
    assert default.short_sides[0] == 112 and default.short_sides[-1] == 448 and len(default.short_sides) == 16


def test_random_crop_reaches_every_window_and_pads():
    transform, windows, source = ClipRandomCrop(size=(19, 28)), set(), clip()['frames'][0]
    for seed in range(100):
        frame = transform(clip(seed=seed))['frames'][0]
        (place,) = [(y, x) for y in range(2) for x in range(3) if np.array_equal(source[y:y + 19, x:x + 28], frame)]
        windows.add(place)
    assert windows == {(y, x) for y in range(2) for x in range(3)}
    out = ClipRandomCrop(size=(25, 34))(clip())
    np.testing.assert_array_equal(out['frames'][0][:20, :30], source)
    assert (out['frames'][0][20:] == 128).all() and (out['frames'][0][:, 30:] == 128).all()
    assert (out['masks'][0][20:] == 255).all() and (out['masks'][0][:, 30:] == 255).all()
    assert out['masks'][0][:20, :30].max() < 5


def test_centre_crop():
    np.testing.assert_array_equal(ClipCenterCrop(size=(10, 10))(clip())['frames'][0], clip()['frames'][0][5:15, 10:20])
    with pytest.raises(ValueError, match='clip c: found frames of 20x30, expected at least 21x10'):
        ClipCenterCrop(size=(21, 10))(clip())


@pytest.mark.parametrize('transform', [
    ClipResize(size=(5, 5)), ClipRandomCrop(size=(5, 5)), ClipCenterCrop(size=(5, 5))])
def test_masks_of_another_size_cannot_follow(transform):
    results = clip()
    results['masks'] = [np.zeros((40, 60), dtype=np.uint8)] * 3
    with pytest.raises(ValueError, match=r'clip c: a mask of .40, 60. cannot move'):
        transform(results)


def test_frames_without_masks_are_fine():
    results = clip()
    del results['masks']
    assert 'masks' not in ClipRandomFlip(prob=1.0)(ClipResize(size=(5, 5))(results))


def test_flipping_twice_is_the_identity():
    waveform = np.random.default_rng(1).standard_normal((2, 50)).astype(np.float32)
    flip, before = ClipRandomFlip(prob=1.0), clip(waveform=waveform)
    once = flip(clip(waveform=waveform.copy()))
    assert once['flip'] is True
    np.testing.assert_array_equal(once['frames'][0], before['frames'][0][:, ::-1])
    np.testing.assert_array_equal(once['waveform'], waveform[::-1])
    twice = flip(once)
    assert twice['flip'] is False
    np.testing.assert_array_equal(twice['frames'][2], before['frames'][2])
    np.testing.assert_array_equal(twice['masks'][2], before['masks'][2])
    np.testing.assert_array_equal(twice['waveform'], waveform)


def test_flip_of_mono_sound_and_of_positions():
    mono = np.arange(5, dtype=np.float32)[None]
    np.testing.assert_array_equal(ClipRandomFlip(prob=1.0)(clip(waveform=mono))['waveform'], mono)
    audio = [dict(path='a', position=0.2), dict(path='b', position=None)]
    flipped = ClipRandomFlip(prob=1.0)(clip(audio=audio))
    assert flipped['audio'] == [dict(path='a', position=0.8), dict(path='b', position=None)]
    assert audio[0]['position'] == 0.2  # the caller's list is untouched
    loaded = ClipRandomFlip(prob=1.0)(clip(audio=audio, waveform=np.ones((2, 4), dtype=np.float32)))
    assert loaded['audio'] == audio  # the waveform was swapped instead; both would cancel


def test_flip_happens_with_its_probability():
    flips = [ClipRandomFlip(prob=0.3)(clip(seed=seed))['flip'] for seed in range(400)]
    assert 0.22 < np.mean(flips) < 0.38
    assert not any(ClipRandomFlip(prob=0.0)(clip(seed=seed))['flip'] for seed in range(20))
