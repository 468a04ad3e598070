"""mmseg's per-frame metrics on clips."""
from collections.abc import Sequence

from mmengine.evaluator import Evaluator

from mmicf.registry import EVALUATOR
from mmicf.structures import AVDataSample


@EVALUATOR.register_module()
class FrameEvaluator(Evaluator):
    """Feeds a per-frame metric (``IoUMetric`` of mmseg) with the frames that have ground truth.

    The dataset's length is the number of clips and mmengine would cut a per-frame list to it, so the full list is kept; use a
    sampler with ``round_up=False``, or padding clips would count twice.
    """

    def process(self, data_samples: Sequence[AVDataSample], data_batch: dict | None = None) -> None:
        super().process([frame for sample in data_samples for frame in sample.frames if frame.has_gt], data_batch)

    def evaluate(self, size: int) -> dict:
        return super().evaluate(None)
