"""Changes of pictures and sound, and scores by quadrant, against plain loops."""
from itertools import pairwise

import numpy as np
import pytest
from made_clips import random_binary_clip

from mmicf.evaluation import AVSBenchMetric
from mmicf.evaluation.scene_complexity import QUADRANTS, picture_change, quadrant_of, quadrant_scores, sound_change


def test_changes_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 3, 5, 3)).astype(np.uint8)
    pairs = []
    for a, b in pairwise(frames):
        errors = [(int(x) / 255 - int(y) / 255)**2 for x, y in zip(a.ravel(), b.ravel(), strict=True)]
        pairs.append(sum(errors) / len(errors))
    assert picture_change(frames) == pytest.approx(sum(pairs) / 3)
    log_mel = rng.normal(-2, 1, (4, 1, 96, 64)).astype(np.float32)
    spectra = [[sum(float(log_mel[t, 0, w, band]) for w in range(96)) / 96 for band in range(64)] for t in range(4)]
    pairs = [sum((x - y)**2 for x, y in zip(a, b, strict=True)) / 64 for a, b in pairwise(spectra)]
    assert sound_change(log_mel) == pytest.approx(sum(pairs) / 3, rel=1e-5)


def test_what_does_not_change_is_zero_and_one_frame_is_refused():
    assert picture_change(np.full((3, 2, 2, 3), 77, np.uint8)) == 0
    assert sound_change(np.repeat(np.random.default_rng(0).normal(size=(1, 1, 96, 64)), 3, 0)) == 0
    with pytest.raises(ValueError, match='found 1 frames, expected at least 2'):
        picture_change(np.zeros((1, 2, 2, 3), np.uint8))


def test_quadrants_by_hand():
    found = quadrant_of(np.array([1, 3, 1, 3, 2]), np.array([10, 10, 30, 30, 20]), (2., 20.))
    assert found.tolist() == [0, 1, 2, 3, 0]


def test_scores_by_quadrant_are_means_over_its_frames():
    clips = [random_binary_clip(i, frames=3 + i % 2) for i in range(7)]
    quadrants = {clip.clip_id: i % 3 for i, clip in enumerate(clips)}  # the last quadrant stays empty
    metric = AVSBenchMetric()
    metric.dataset_meta = dict(classes=('background', 'sounding'))
    for clip in clips:
        metric.process({}, [clip.to_dict()])
    rows = quadrant_scores(metric, quadrants)
    assert [row['quadrant'] for row in rows] == [*QUADRANTS, 'all']
    for q, row in enumerate(rows):
        mine = [clip for clip in clips if q == 4 or quadrants[clip.clip_id] == q]
        ious = []
        for frame in (frame for clip in mine for frame in clip.frames):
            pred, gt = frame.av_score.data[0].numpy() > 0.5, frame.gt_sem_seg.data[0].numpy() == 1
            ious.append((pred & gt).sum() / (pred | gt).sum())
        assert (row['clips'], row['frames']) == (len(mine), len(ious))
        if mine:
            assert row['J'] == pytest.approx(100 * np.mean(ious), abs=1e-4)
            assert 0 < row['F'] <= 100
        else:
            assert np.isnan(row['J']) and np.isnan(row['F'])
