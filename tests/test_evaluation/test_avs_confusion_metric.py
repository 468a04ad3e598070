"""Whole-dataset scores against counts made pixel by pixel."""
import csv

import numpy as np
import pytest
from made_clips import evaluate, make_clip, random_binary_clip, random_class_clip

from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric

CLASSES = tuple(f'class{i}' for i in range(7))


def plain_scores(clips, num_classes, skip_absent=False):
    tp, fp, fn = np.zeros((3, num_classes))
    for clip in clips:
        for frame in clip.frames:
            if not frame.has_gt:
                continue
            for p, g in zip(frame.pred_sem_seg.data.flatten().tolist(), frame.gt_sem_seg.data.flatten().tolist(), strict=True):
                if g == 255:
                    continue
                if p == g:
                    tp[p] += 1
                else:
                    fp[p] += 1
                    fn[g] += 1
    iou, f1, f03, fdr = [], [], [], []
    for c in range(num_classes):
        if tp[c] + fp[c] + fn[c]:
            iou.append(tp[c] / (tp[c] + fp[c] + fn[c]))
            f1.append(2 * tp[c] / (2 * tp[c] + fn[c] + fp[c]))
            f03.append(1.3 * tp[c] / (1.3 * tp[c] + 0.3 * fn[c] + fp[c]))
        elif not skip_absent:
            iou.append(0)
        if tp[c] + fp[c]:
            fdr.append(fp[c] / (fp[c] + tp[c]))
    return {f'confusion_{k}': 100 * np.mean(v) for k, v in (('mIoU', iou), ('F1', f1), ('F0.3', f03), ('FDR', fdr))}


@pytest.fixture(scope='module')
def clips():
    """Class 6 never occurs; class 4 is in one ground truth and never predicted."""
    out = [random_class_clip(i, 4, classes=(0, 1 + i % 3), missing=(0,) * (i == 2)) for i in range(5)]
    out.append(make_clip(5, gts=[np.full((8, 10), 4)], preds=[np.zeros((8, 10), int)]))
    return out


@pytest.mark.parametrize('absent', ['zero', 'skip'])
def test_equals_the_plain_counts(clips, absent):
    found = evaluate(AVSConfusionMetric(absent=absent), clips, CLASSES)
    assert found == pytest.approx(plain_scores(clips, 7, skip_absent=absent == 'skip'), abs=1e-6)


def test_binary_sets_have_two_classes():
    clips = [random_binary_clip(i, empty=(0,)) for i in range(3)]
    assert evaluate(AVSConfusionMetric(), clips, CLASSES[:2]) == pytest.approx(plain_scores(clips, 2), abs=1e-6)


def test_per_subset_scores_equal_the_subset_alone():
    clips = [random_class_clip(i, 7, subset='v1s' if i % 2 else 'v2') for i in range(6)]
    found = evaluate(AVSConfusionMetric(per_subset=True), clips, CLASSES)
    for name, part in (('v2', clips[::2]), ('v1s', clips[1::2])):
        alone = evaluate(AVSConfusionMetric(), part, CLASSES)
        assert {k: found[f'{k}_{name}'] for k in alone} == alone


def test_per_class_file_leaves_undefined_scores_empty(clips, tmp_path):
    evaluate(AVSConfusionMetric(per_class_out=str(tmp_path / 'c.csv')), clips, CLASSES)
    rows = list(csv.DictReader((tmp_path / 'c.csv').open()))
    assert [row['class'] for row in rows] == list(CLASSES)
    assert (rows[4]['IoU'], rows[4]['FDR']) == ('0.0', '')
    assert rows[6]['IoU'] == rows[6]['F1'] == ''


def test_both_families_run_in_one_evaluator():
    found = evaluate([AVSBenchMetric(), AVSConfusionMetric()], [random_binary_clip(i) for i in range(3)], CLASSES[:2])
    assert set(found) == {'J', 'F', 'JF', 'confusion_mIoU', 'confusion_F1', 'confusion_F0.3', 'confusion_FDR'}


@pytest.mark.parametrize(('clip', 'message'), [
    (make_clip(0, gts=[np.zeros((2, 2))], preds=[np.full((2, 2), 7)]), 'frame 0: the prediction holds class ids 7 to 7'),
    (make_clip(0, gts=[np.full((2, 2), 9)], preds=[np.zeros((2, 2))]), 'the ground truth holds class ids 9 to 9'),
    (make_clip(0, gts=[np.zeros((2, 2))], preds=[np.zeros((3, 2))]), r'\(3, 2\).*\(2, 2\)'),
    (make_clip(0, gts=[np.full((2, 2), 255)], preds=[np.zeros((2, 2))]), 'none of 1 clips'),
])
def test_bad_clips_are_named(clip, message):
    with pytest.raises(ValueError, match=message):
        evaluate(AVSConfusionMetric(), [clip], CLASSES)
