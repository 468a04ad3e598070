"""How much of the picture a model marks, whatever is right: what it still sees sounding in silence."""
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from mmicf.registry import METRICS


@METRICS.register_module()
class ActivatedAreaMetric(BaseMetric):
    """Share of pixels that are predicted as sounding, ×100, as ``area``: mean over a clip's frames, then over clips' frames alike.

    A pixel counts where ``pred_sem_seg`` is not background. Frames need no ground truth. Under silence a model that hears should
    come to 0 (the question of AVSBench-Robust).
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Appends (sum of the frames' shares, number of frames) per clip: mmengine cuts results to the number of clips."""
        for sample in data_samples:
            shares = [(frame.pred_sem_seg.data != 0).double().mean().item() for frame in sample['frames']]
            self.results.append((sum(shares), len(shares)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {'area': 100 * sum(total for total, _ in results) / sum(count for _, count in results)}
