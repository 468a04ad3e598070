"""Colour distortion against a plain reference of SSD's steps."""
import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as change

from mmicf.datasets.transforms import ClipColorJitter, ClipPhotoMetricDistortion


def clip(frames, seed=0):
    return dict(clip_id='c', num_frames=len(frames), frames=frames, rng=np.random.default_rng(seed))


def random_frame(seed=3):
    return np.random.default_rng(seed).integers(0, 256, (9, 11, 3)).astype(np.uint8)


def test_one_draw_for_all_frames():
    transform, frame, seen = ClipPhotoMetricDistortion(), random_frame(), set()
    for seed in range(20):
        out = transform(clip([frame.copy(), frame.copy(), frame.copy()], seed))['frames']
        assert all(f.dtype == np.uint8 and np.array_equal(f, out[0]) for f in out) and len(out) == 3
        seen.add(out[0].tobytes())
        # a frame's result does not depend on which other frames are in the clip
        np.testing.assert_array_equal(transform(clip([random_frame(9), frame.copy()], seed))['frames'][1], out[0])
    assert len(seen) > 12


def neutral(**change):
    return ClipPhotoMetricDistortion(**{**dict(brightness=0, contrast=(1, 1), saturation=(1, 1), hue=0), **change})


def results_over_seeds(transform, frame, count=300):
    return [transform(clip([frame.copy()], seed))['frames'][0] for seed in range(count)]


def test_brightness_adds_up_to_its_limit_in_half_of_the_clips():
    frame = np.full((4, 4, 3), 100, dtype=np.uint8)
    shifts = np.array([int(f[0, 0, 0]) - 100 for f in results_over_seeds(neutral(brightness=32), frame)])
    assert 0.4 < (shifts == 0).mean() < 0.62
    assert shifts.min() < -26 and shifts.max() > 26 and abs(shifts).max() <= 32


def test_contrast_multiplies():
    frame = np.full((4, 4, 3), 100, dtype=np.uint8)
    frame[0] = 20
    for out in results_over_seeds(neutral(contrast=(0.5, 1.5)), frame):
        factor = out[1, 0, 0] / 100
        assert 0.49 <= factor <= 1.5 and abs(out[0, 0, 0] / 20 - factor) <= 0.06


def test_saturation_and_hue_act_in_hsv():
    frame = cv2.cvtColor(np.array([[[60, 100, 200]]], dtype=np.uint8), cv2.COLOR_HSV2RGB)
    saturations, hues = set(), set()
    for out in results_over_seeds(neutral(saturation=(0.5, 1.5)), frame):
        h, s, v = cv2.cvtColor(out, cv2.COLOR_RGB2HSV)[0, 0].tolist()
        assert abs(h - 60) <= 1 and v == 200
        saturations.add(s)
    assert min(saturations) in range(48, 60) and max(saturations) in range(140, 152)
    for out in results_over_seeds(neutral(hue=18), frame):
        h, s, v = cv2.cvtColor(out, cv2.COLOR_RGB2HSV)[0, 0].tolist()
        assert abs(s - 100) <= 2 and v == 200
        hues.add(h)
    assert min(hues) in (41, 42, 43) and max(hues) in (77, 78, 79)


def test_hue_wraps_around():
    frame = cv2.cvtColor(np.array([[[2, 200, 200]]], dtype=np.uint8), cv2.COLOR_HSV2RGB)
    hues = {int(cv2.cvtColor(out, cv2.COLOR_RGB2HSV)[0, 0, 0]) for out in results_over_seeds(neutral(hue=18), frame)}
    assert max(hues) > 160 and min(hues) < 20


def test_contrast_comes_before_or_after_the_colours():
    # Clipping at 255 tells the order: contrast before saturation clips the strong red, after it hardly does.
    frame = np.full((1, 1, 3), (250, 100, 10), dtype=np.uint8)
    transform = neutral(contrast=(1.5, 1.5), saturation=(0.5, 0.5))
    outs = {tuple(o[0, 0].tolist()) for o in results_over_seeds(transform, frame)}
    plain = np.array(frame)

    def saturate(image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 1] = (hsv[..., 1] * np.float32(0.5)).astype(np.uint8)
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)

    def contrast(image):
        return np.clip(image.astype(np.float32) * 1.5, 0, 255).astype(np.uint8)

    # the conversion to HSV and back is part of SSD's step even where it changes nothing
    expected = [plain, contrast(plain), saturate(plain), saturate(contrast(plain)), contrast(saturate(plain))]
    assert {tuple(e[0, 0].tolist()) for e in expected} <= outs


def test_neutral_settings_change_nothing_but_rounding():
    frame = random_frame()
    for out in results_over_seeds(neutral(), frame, 10):
        assert abs(out.astype(int) - frame.astype(int)).max() <= 6  # OpenCV's 8-bit HSV is lossy


def jittered(seed, **options):
    frames = [random_frame(), random_frame()[::-1].copy()]
    results = dict(clip_id='c', frames=frames, rng=np.random.default_rng(seed))
    return ClipColorJitter(**{**dict(brightness=0, contrast=0, saturation=0, hue=0), **options})(results)['frames']


def test_jitter_scales_brightness_within_its_range_alike_in_all_frames():
    frame, factors = random_frame().astype(float), []
    for seed in range(40):
        first, second = jittered(seed, brightness=0.2)
        assert np.array_equal(first[::-1], second) and first.dtype == np.uint8 and first.shape == frame.shape
        dark = frame < 200  # nothing is cut off at 255
        factors.append(first[dark].sum() / frame[dark].sum())
        assert abs(first - np.clip(frame * factors[-1], 0, 255)).max() < 4
    assert 0.79 < min(factors) < 0.85 and 1.15 < max(factors) < 1.21


def test_jitter_takes_its_changes_in_random_order():
    orders, picture = set(), torch.from_numpy(random_frame()).permute(2, 0, 1)
    for seed in range(20):
        draw = np.random.default_rng(seed)
        brightness, contrast = (1 + draw.uniform(-0.8, 0.8) for _ in range(2))
        found = torch.from_numpy(jittered(seed, brightness=0.8, contrast=0.8)[0]).permute(2, 0, 1)
        brightness_first = change.adjust_contrast(change.adjust_brightness(picture, brightness), contrast)
        contrast_first = change.adjust_brightness(change.adjust_contrast(picture, contrast), brightness)
        assert torch.equal(found, brightness_first) or torch.equal(found, contrast_first)
        if not torch.equal(brightness_first, contrast_first):
            orders.add(torch.equal(found, brightness_first))
    assert orders == {True, False}


def test_jitter_of_contrast_saturation_and_hue_keeps_what_it_should():
    frame = random_frame().astype(float)
    grey = frame @ (0.2989, 0.587, 0.114)
    for seed in range(10):
        contrast, saturation, hue = (jittered(seed, **{name: 0.1})[0].astype(float) for name in ('contrast', 'saturation', 'hue'))
        assert abs(contrast @ (0.2989, 0.587, 0.114) - grey).mean() > 0.1 and abs((contrast - frame).mean()) < 4
        assert abs(saturation @ (0.2989, 0.587, 0.114) - grey).mean() < 2
        assert abs(hue.max(2) - frame.max(2)).max() <= 2 and abs(hue - frame).max() > 5  # the HSV value stays
    assert np.array_equal(jittered(0)[0], random_frame())
    with pytest.raises(ValueError, match='hue'):
        ClipColorJitter(hue=0.6)
