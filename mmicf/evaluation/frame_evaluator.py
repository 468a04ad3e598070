"""mmseg's per-frame metrics on clips."""
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric, Evaluator

from mmicf.registry import EVALUATOR
from mmicf.structures import AVDataSample


@EVALUATOR.register_module()
class FrameEvaluator(Evaluator):
    """Feeds per-frame metrics (``IoUMetric`` of mmseg) with the frames that have ground truth.

    The dataset's length is the number of clips and mmengine would cut a per-frame list to it, so the full list is kept;
    use a sampler with ``round_up=False``, or padding clips would count twice.

    Args:
        metrics: per-frame metrics.
        clip_metrics: metrics of this package, which read whole clips, to run beside them.
    """

    def __init__(self, metrics: dict | BaseMetric | Sequence, clip_metrics: dict | BaseMetric | Sequence = ()) -> None:
        super().__init__(metrics)
        self.clips = Evaluator(clip_metrics)

    @property
    def dataset_meta(self) -> dict | None:
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        Evaluator.dataset_meta.fset(self, dataset_meta)
        self.clips.dataset_meta = dataset_meta

    def process(self, data_samples: Sequence[AVDataSample], data_batch: dict | None = None) -> None:
        super().process([frame for sample in data_samples for frame in sample.frames if frame.has_gt], data_batch)
        self.clips.process(data_samples, data_batch)

    def evaluate(self, size: int) -> dict:
        """Scores of both kinds of metrics; ``size`` is the number of clips.

        Raises:
            ValueError: two metrics give the same name; set their ``prefix``.
        """
        scores, clip_scores = super().evaluate(None), self.clips.evaluate(size)
        twice = sorted(scores.keys() & clip_scores.keys())
        if twice:
            raise ValueError(f'metrics and clip_metrics both give {twice}; set a prefix')
        return {**scores, **clip_scores}
