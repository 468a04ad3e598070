"""Metrics; each appends one result per clip."""
from .activated_area import ActivatedAreaMetric
from .avs_confusion_metric import AVSConfusionMetric
from .avs_robust_metric import AVSRobustMetric
from .avsbench_metric import AVSBenchMetric
from .prediction_writer import AVSPredictionWriter

__all__ = ['AVSBenchMetric', 'AVSConfusionMetric', 'AVSPredictionWriter', 'AVSRobustMetric', 'ActivatedAreaMetric']
