"""Metrics of both families."""
from .frame_evaluator import FrameEvaluator
from .metrics import ActivatedAreaMetric, AVSBenchMetric, AVSConfusionMetric, AVSPredictionWriter, AVSRobustMetric

__all__ = [
    'AVSBenchMetric', 'AVSConfusionMetric', 'AVSPredictionWriter', 'AVSRobustMetric', 'ActivatedAreaMetric', 'FrameEvaluator'
]
