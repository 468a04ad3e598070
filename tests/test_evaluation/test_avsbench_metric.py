"""J and F against loops written from the formulas alone."""
import csv
import json

import numpy as np
import pytest
import torch
from made_clips import evaluate, make_clip, random_binary_clip, random_class_clip

from mmicf.evaluation import AVSBenchMetric

BINARY = ('background', 'sounding')
CLASSES = tuple(f'class{i}' for i in range(7))
TINY = 1e-4  # of the protocol's epsilons, on frames of a few pixels


def plain_iou(score, gt, threshold):
    inter = union = negatives = pixels = 0
    for p, g in zip(score.ravel().tolist(), gt.ravel().tolist(), strict=True):
        if g == 255:
            continue
        p = p > threshold
        inter, union, negatives, pixels = inter + (p and g == 1), union + (p or g == 1), negatives + (not p), pixels + 1
    if not (gt == 1).any():
        return negatives / (pixels + 1e-7)
    return inter / (union + 1e-7)


def plain_curve(score, gt):
    curve = []
    score, gt = torch.from_numpy(score[gt != 255]), torch.from_numpy(gt[gt != 255])
    for t in torch.linspace(0, 1 - 1e-10, 255):
        y = (score >= t).double()
        tp = (y * gt).sum()
        p, r = tp / (y.sum() + 1e-20), tp / (gt.sum() + 1e-20)
        f = 1.3 * p * r / (0.3 * p + r)
        curve.append(0.0 if torch.isnan(f) else f.item())
    return np.array(curve)


def plain_binary(clips, group, threshold=0.5, skip=False):
    """(J, F): the mean over frames, and over groups of clips the maximum of the mean curve."""
    ious, group_f = [], []
    for start in range(0, len(clips), group):
        curves = []
        for clip in clips[start:start + group]:
            for frame in clip.frames:
                if not frame.has_gt:
                    continue
                score, gt = frame.av_score.data[0].numpy(), frame.gt_sem_seg.data[0].numpy()
                empty = not (gt == 1).any()
                if not (skip and empty):
                    ious.append(plain_iou(score, gt, threshold))
                if not empty:
                    curves.append(plain_curve(score, gt))
        group_f.append(np.mean(curves, axis=0).max() if curves else 0.0)
    return 100 * np.mean(ious), 100 * np.mean(group_f)


def plain_semantic(clips, num_classes, pad=False, first=0, skip_absent=False):
    iou_sum, f_sum, count = np.zeros((3, num_classes))
    for clip in clips:
        for frame in clip.frames:
            if not frame.has_gt:
                continue
            pred, gt = frame.pred_sem_seg.data[0].numpy(), frame.gt_sem_seg.data[0].numpy()
            for c in range(num_classes):
                p, g = (pred == c) & (gt != 255), gt == c
                tp, union = (p & g).sum(), (p | g).sum()
                if union == 0:
                    continue
                count[c] += 1
                iou_sum[c] += tp / union
                if tp:
                    precision, recall = tp / p.sum(), tp / g.sum()
                    f_sum[c] += 1.3 * precision * recall / (0.3 * precision + recall)
        if pad:
            for total in (iou_sum, f_sum, count):
                total[0] += 10 - len(clip.frames)
    scores = [[100 * total[c] / count[c] if count[c] else (None if skip_absent else 0.0)
               for c in range(first, num_classes)] for total in (iou_sum, f_sum)]
    return tuple(np.mean([x for x in s if x is not None]) for s in scores)


def check(found, j, f, tolerance=1e-6):
    assert found['J'] == pytest.approx(j, abs=tolerance)
    assert found['F'] == pytest.approx(f, abs=tolerance)
    assert found['JF'] == pytest.approx((j + f) / 2, abs=tolerance)


@pytest.fixture(scope='module')
def binary_clips():
    clips = [random_binary_clip(i, ignored=0.1 * (i == 2)) for i in range(4)]
    clips += [random_binary_clip(4, empty=(1, 3)), random_binary_clip(5, empty=range(5)), random_binary_clip(6, empty=range(5)),
              random_binary_clip(7, missing=(1, 2, 3, 4)), random_binary_clip(8, frames=1)]
    return clips


@pytest.mark.parametrize(('f_group', 'size'), [('video', 1), (2, 2), (4, 4), ('dataset', 9)])
def test_binary_equals_the_plain_loops(binary_clips, f_group, size):
    check(evaluate(AVSBenchMetric(f_group=f_group), binary_clips, BINARY), *plain_binary(binary_clips, size))


def test_f_falls_with_the_size_of_the_group():
    clips = [random_binary_clip(i) for i in range(8)]
    for i, clip in enumerate(clips):  # every clip, and every half, is calibrated differently
        for frame in clip.frames:
            frame.av_score.data = frame.av_score.data ** (1 + i)
    f = [evaluate(AVSBenchMetric(f_group=g), clips, BINARY)['F'] for g in ('video', 4, 'dataset')]
    assert f[0] > f[1] > f[2]


def test_threshold_is_strict_and_empty_frames_can_be_skipped(binary_clips):
    found = evaluate(AVSBenchMetric(threshold=0.4, empty_gt='skip'), binary_clips, BINARY)
    check(found, *plain_binary(binary_clips, 1, threshold=0.4, skip=True))
    half = make_clip(0, gts=[[[1, 1], [0, 0]]], scores=[[[0.5, 0.75], [0.5, 0.0]]])
    assert evaluate(AVSBenchMetric(), [half], BINARY)['J'] == pytest.approx(50)  # 0.5 itself does not sound


def test_empty_ground_truth():
    """J is pixel accuracy; a group of empty frames alone has F 0."""
    clip = make_clip(0, gts=[np.zeros((2, 2))], scores=[[[0.9, 0.1], [0.1, 0.1]]])
    check(evaluate(AVSBenchMetric(), [clip], BINARY), 75, 0, TINY)


def test_perfect_and_opposite_predictions():
    gt = np.array([[1, 1, 0], [0, 0, 1]])
    perfect, opposite = make_clip(0, gts=[gt], scores=[gt]), make_clip(0, gts=[gt], scores=[1 - gt])
    check(evaluate(AVSBenchMetric(), [perfect], BINARY), 100, 100, TINY)
    found = evaluate(AVSBenchMetric(), [opposite], BINARY)
    everything = 100 * 1.3 * 0.5 / (0.3 * 0.5 + 1)  # threshold 0 marks all pixels: precision 1/2, recall 1
    check(found, 0, everything, TINY)


def test_groups_follow_the_dataset_not_the_order_of_arrival(binary_clips):
    shuffled = [binary_clips[i] for i in (5, 0, 8, 2, 7, 1, 3, 6, 4)]
    assert evaluate(AVSBenchMetric(f_group=2), shuffled, BINARY) == evaluate(AVSBenchMetric(f_group=2), binary_clips, BINARY)


def test_a_fully_ignored_frame_does_not_count():
    clip = random_binary_clip(0, frames=2)
    ignored = make_clip(1, gts=[np.full((9, 11), 255)], scores=[np.ones((9, 11))])
    assert evaluate(AVSBenchMetric(), [clip, ignored], BINARY) == evaluate(AVSBenchMetric(), [clip], BINARY)


@pytest.mark.parametrize('switches', [{}, dict(pad_frames='count'), dict(background='drop'), dict(absent='skip'),
                                      dict(pad_frames='count', background='drop', absent='skip')])
def test_semantic_equals_the_plain_loops(switches):
    clips = [random_class_clip(i, 7, classes=(0, 1 + i % 3, 5), missing=(2,) * (i == 1)) for i in range(5)]
    clips += [random_class_clip(5, 7, frames=10, classes=(0,), ignored=0)]
    expected = plain_semantic(clips, 7, pad=switches.get('pad_frames') == 'count',
                              first=int(switches.get('background') == 'drop'), skip_absent=switches.get('absent') == 'skip')
    check(evaluate(AVSBenchMetric(task='semantic', **switches), clips, CLASSES), *expected)


def test_one_stray_pixel_of_a_class_costs_the_frame_of_that_class():
    gt, stray = np.zeros((4, 4), int), np.zeros((4, 4), int)
    gt[:2] = stray[:2] = 3
    right = stray.copy()
    stray[3, 3] = 5
    clips = [make_clip(0, gts=[gt, gt], preds=[right, stray])]
    j = evaluate(AVSBenchMetric(task='semantic'), clips, CLASSES)['J']
    assert j == pytest.approx(100 * ((1 + 7 / 8) / 2 + 1 + 0) / 7, abs=1e-6)  # background, class 3, class 5; four unseen
    j = evaluate(AVSBenchMetric(task='semantic', absent='skip'), clips, CLASSES)['J']
    assert j == pytest.approx(100 * ((1 + 7 / 8) / 2 + 1 + 0) / 3, abs=1e-6)


def test_per_subset_scores_equal_the_subset_alone():
    clips = [random_binary_clip(i, subset='v1s' if i % 2 else 'v1m') for i in range(6)]
    found = evaluate(AVSBenchMetric(f_group=2, per_subset=True), clips, BINARY)
    for name, part in (('v1m', clips[::2]), ('v1s', clips[1::2])):
        alone = evaluate(AVSBenchMetric(f_group=2), part, BINARY)
        assert {k: found[f'{k}_{name}'] for k in alone} == alone


@pytest.mark.parametrize('suffix', ['csv', 'json'])
def test_per_class_file(tmp_path, suffix):
    clips = [random_class_clip(i, 7, classes=(0, 2, 4), ignored=0) for i in range(3)]
    path = tmp_path / 'new' / f'classes.{suffix}'
    found = evaluate(AVSBenchMetric(task='semantic', per_class_out=str(path)), clips, CLASSES)
    rows = json.loads(path.read_text()) if suffix == 'json' else list(csv.DictReader(path.open()))
    assert [row['class'] for row in rows] == list(CLASSES)
    assert np.mean([float(row['J']) for row in rows]) == pytest.approx(found['J'])
    assert float(rows[2]['frames']) == 15


def test_convention_and_table_are_printed(caplog):
    import logging

    from mmengine.logging import MMLogger
    logger = MMLogger.get_instance('avsbench_print')
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    evaluate(AVSBenchMetric(f_group=2), [random_binary_clip(i, empty=(0,)) for i in range(5)], BINARY)
    text = '\n'.join(lines)
    assert 'J&F' in text
    assert 'family avsbench' in text and 'f_group=2 (3 groups of 5 clips)' in text
    assert '25 frames (5 frames with empty ground truth: pixel_acc)' in text and 'score > 0.5' in text


GT = np.eye(4, dtype=int)


@pytest.mark.parametrize(('clip', 'message'), [
    (make_clip(0, gts=[GT], scores=[np.zeros((4, 5))]), r'clip clip000, frame 0.*\(4, 5\).*\(4, 4\)'),
    (make_clip(0, gts=[GT], preds=[GT]), 'no av_score'),
    (make_clip(0, gts=[GT], scores=[np.full((4, 4), np.nan)]), 'frame 0: av_score'),
    (make_clip(0, gts=[GT], scores=[np.full((4, 4), 1.5)]), r'\[0, 1\]'),
    (make_clip(0, gts=[3 * GT], scores=[GT]), 'class ids 0 to 3'),
    (make_clip(0, gts=[None], scores=[GT]), 'none of 1 clips has a frame with ground truth'),
])
def test_bad_clips_are_named(clip, message):
    with pytest.raises(ValueError, match=message):
        evaluate(AVSBenchMetric(), [clip], BINARY)


def test_class_ids_out_of_range_are_named():
    with pytest.raises(ValueError, match='frame 0: the prediction holds class ids 0 to 9, expected 0 to 6'):
        evaluate(AVSBenchMetric(task='semantic'), [make_clip(0, gts=[GT], preds=[9 * GT])], CLASSES)


def test_a_clip_evaluated_twice_is_refused():
    with pytest.raises(ValueError, match='clip001 was evaluated twice'):
        evaluate(AVSBenchMetric(), [random_binary_clip(i) for i in (0, 1, 1)], BINARY)


@pytest.mark.parametrize('switches', [
    dict(task='video'), dict(f_group=0), dict(f_group=True), dict(f_group='batch'), dict(threshold=1.0), dict(empty_gt='no'),
    dict(background='drop'), dict(per_class_out='x.csv'), dict(task='semantic', f_group=4),
    dict(task='semantic', per_class_out='x.txt')])
def test_unknown_and_unread_switches_are_refused(switches):
    with pytest.raises(ValueError):
        AVSBenchMetric(**switches)
