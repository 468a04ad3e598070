"""Crops that keep most of the objects' box."""
import numpy as np
import pytest

from mmicf.datasets.transforms import ClipRandomBoxCrop


def clip(seed, box=(30, 50, 20, 60), shape=(80, 120), total=3):
    """Frames that hold each pixel's own place; two masks that together span ``box`` (top, bottom, left, right)."""
    top, bottom, left, right = box
    place = np.stack([*np.indices(shape), np.zeros(shape, int)], -1).astype(np.uint8)
    masks = [np.zeros(shape, np.uint8) for _ in range(total)]
    masks[0][top:top + 3, left:left + 3] = 1
    masks[2][bottom - 2:bottom, right - 4:right] = 5
    masks[2][0, 0] = 255
    masks[1] = None
    return dict(clip_id='c', frames=[place.copy() for _ in range(total)], masks=masks, img_shape=shape,
                rng=np.random.default_rng(seed))


def test_window_is_shared_within_its_ranges_and_covers_the_box():
    kept, aspects, areas = 0, [], []
    for seed in range(300):
        out = ClipRandomBoxCrop()(clip(seed))
        frame = out['frames'][0]
        assert all(np.array_equal(frame, f) for f in out['frames']) and out['masks'][1] is None
        h, w = out['img_shape']
        assert frame.shape == (h, w, 3) and out['masks'][0].shape == (h, w)
        (y, x), (y2, x2) = frame[0, 0, :2].astype(int), frame[-1, -1, :2].astype(int)
        assert (y2 - y + 1, x2 - x + 1) == (h, w)  # one window, nothing resized
        if (h, w) == (80, 120):
            continue
        kept += 1
        covered = (min(50, y2 + 1) - max(30, y)) * (min(60, x2 + 1) - max(20, x))
        assert covered >= 0.6 * 20 * 40
        aspects.append(w / h)
        areas.append(h * w)
    assert kept > 60 and min(areas) < 0.5 * 80 * 120
    free = [a for a, area in zip(aspects, areas, strict=True) if area < 0.6 * 80 * 120]  # no side is cut off
    assert min(free) > 0.7 and max(free) < 1.4 and max(free) - min(free) > 0.4


def test_clips_without_objects_stay_whole_and_masks_are_needed():
    empty = clip(0)
    empty['masks'] = [np.zeros((80, 120), np.uint8), None, np.full((80, 120), 255, np.uint8)]
    assert ClipRandomBoxCrop()(empty)['img_shape'] == (80, 120)
    with pytest.raises(ValueError, match=r'clip c: .*after LoadMasks'):
        ClipRandomBoxCrop()({k: v for k, v in clip(0).items() if k != 'masks'})
    for options in (dict(min_area=0), dict(aspect=(2, 1))):
        with pytest.raises(ValueError, match='aspect'):
            ClipRandomBoxCrop(**options)
