"""J and F beside what a model marks whatever is right: one set of scores for every kind of sound."""
from collections.abc import Sequence

import numpy as np

from mmicf.registry import METRICS

from .avsbench_metric import AVSBenchMetric


@METRICS.register_module()
class AVSRobustMetric(AVSBenchMetric):
    """:class:`AVSBenchMetric` with two more scores of the same frames, ×100.

    ``area``: mean share of marked pixels (AVSBench-Robust's "FPR", which never looks at the ground truth). ``empty_J``: J that
    these predictions have against empty ground truth, the share of unmarked pixels; what is right where nothing in view sounds.
    J and F stay those against the clip's own masks: for sound that is not the clip's, lower is better.

    Arguments and errors: see :class:`AVSBenchMetric`.
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        super().process(data_batch, data_samples)
        for result, sample in zip(self.results[-len(data_samples):], data_samples, strict=True):
            result['area'] = [self._marked(frame) for frame in sample['frames']]

    def _marked(self, frame) -> float:
        if self.task == 'binary':
            return (frame.av_score.data > self.threshold).double().mean().item()
        return (frame.pred_sem_seg.data != 0).double().mean().item()

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        out = super().compute_metrics(results)
        area = 100 * float(np.mean([share for r in results for share in r['area']]))
        return {**out, 'area': area, 'empty_J': 100 - area}
