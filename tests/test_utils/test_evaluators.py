"""Metrics are found and added whatever holds them."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope

from mmicf.evaluation import ActivatedAreaMetric, AVSBenchMetric, FrameEvaluator
from mmicf.registry import EVALUATOR
from mmicf.utils.evaluators import clip_metrics, with_clip_metric

OWN, AREA = dict(type='AVSBenchMetric', task='binary'), dict(type='mmicf.ActivatedAreaMetric')
FRAME = dict(type='IoUMetric', iou_metrics=['mIoU'])


@pytest.mark.parametrize('evaluator', [OWN, [OWN], dict(type='mmicf.FrameEvaluator', metrics=FRAME, clip_metrics=OWN),
                                       dict(type='FrameEvaluator', metrics=[FRAME], clip_metrics=[OWN])])
def test_metrics_of_clips(evaluator):
    before = str(evaluator)
    assert clip_metrics(evaluator) == [OWN]
    assert clip_metrics(with_clip_metric(evaluator, AREA)) == [OWN, AREA]
    assert str(evaluator) == before


def test_an_evaluator_of_frames_alone():
    evaluator = dict(type='mmicf.FrameEvaluator', metrics=FRAME)
    assert clip_metrics(evaluator) == []
    assert clip_metrics(with_clip_metric(evaluator, AREA)) == [AREA]


def test_what_is_added_is_built_in_mmseg_s_scope():
    init_default_scope('mmseg')
    cfg = Config.fromfile(Path(__file__).parents[2] / 'projects/icf_in_mmseg/configs/segformer_audio_synthetic.py')
    evaluator = EVALUATOR.build(with_clip_metric(cfg.test_evaluator, AREA))
    assert isinstance(evaluator, FrameEvaluator)
    assert [type(metric) for metric in evaluator.clips.metrics] == [AVSBenchMetric, ActivatedAreaMetric]
    assert [type(metric).__name__ for metric in evaluator.metrics] == ['IoUMetric']
    init_default_scope('mmicf')
    assert [type(metric) for metric in Evaluator(with_clip_metric([OWN], AREA)).metrics] == [AVSBenchMetric, ActivatedAreaMetric]
