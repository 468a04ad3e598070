"""mmseg's metrics see every frame that has ground truth; our metrics see clips."""
import numpy as np
import pytest
from made_clips import evaluate, random_class_clip
from mmengine.registry import DefaultScope

from mmicf.evaluation import AVSConfusionMetric, FrameEvaluator
from mmicf.registry import EVALUATOR

CLASSES = tuple(f'class{i}' for i in range(4))
IOU = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU', 'mFscore'])


@pytest.fixture(scope='module')
def clips():
    return [random_class_clip(i, 4, frames=2 + i, missing=(1,) if i % 2 else ()) for i in range(6)]


def test_iou_metric_sees_all_labelled_frames(clips):
    """Its mIoU is the confusion family's: with fewer frames, or unlabelled ones, it would not be."""
    found = evaluate(FrameEvaluator(IOU), clips, CLASSES)
    expected = evaluate(AVSConfusionMetric(absent='skip'), clips, CLASSES)
    assert found['mIoU'] == pytest.approx(expected['confusion_mIoU'], abs=0.0051)  # mmseg rounds to two digits
    assert found['mFscore'] == pytest.approx(expected['confusion_F1'], abs=0.0051)


def test_clip_metrics_run_beside(clips):
    with DefaultScope.overwrite_default_scope('mmicf'):
        evaluator = EVALUATOR.build(dict(type='FrameEvaluator', metrics=[IOU], clip_metrics=[dict(type='AVSConfusionMetric')]))
    found = evaluate(evaluator, clips, CLASSES)
    assert {'mIoU', 'confusion_mIoU'} <= set(found)
    assert found['confusion_mIoU'] == evaluate(AVSConfusionMetric(), clips, CLASSES)['confusion_mIoU']


def test_equal_names_are_refused(clips):
    class Mine(AVSConfusionMetric):
        def compute_metrics(self, results):
            return dict(mIoU=0.0)

    with pytest.raises(ValueError, match='mIoU'):
        evaluate(FrameEvaluator(IOU, clip_metrics=Mine()), clips, CLASSES)


def test_a_clip_metric_among_the_frame_metrics_is_named(clips):
    with pytest.raises(ValueError, match=r'AVSConfusionMetric reads clips.*clip_metrics'):
        evaluate(FrameEvaluator(AVSConfusionMetric()), clips, CLASSES)


def test_unlabelled_frames_do_not_reach_the_metric(clips):
    seen = []

    class Spy(AVSConfusionMetric):
        def process(self, data_batch, data_samples):
            seen.extend(np.array(s['gt_sem_seg']['data']).shape for s in data_samples)

        def evaluate(self, size):
            return dict(size=size)

    assert evaluate(FrameEvaluator(Spy()), clips, CLASSES) == dict(size=None)
    assert len(seen) == sum(frame.has_gt for clip in clips for frame in clip.frames) < sum(len(c.frames) for c in clips)
