"""The confusion metric family: whole-dataset counts, as CAVP and DDESeg report them."""
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmicf.registry import METRICS

from ..clip_frames import scored_frames
from ..functional import confusion_matrix
from ..report import print_table, write_per_class


@METRICS.register_module()
class AVSConfusionMetric(BaseMetric):
    """mIoU, F1, F0.3 and FDR, all ×100, from one confusion matrix over all pixels of the set. Never compare with avsbench's J, F.

    With TP, FP, FN per class: IoU = TP/(TP+FP+FN); F = (1+b)TP/((1+b)TP + b·FN + FP) with b = β² in {1, 0.3}, averaged over the
    classes for which it is defined; FDR = FP/(FP+TP), averaged over the classes that are predicted somewhere
    (`CAVP <https://arxiv.org/abs/2304.02970>`_). Background is a class like any. Keys carry ``confusion_`` so that they cannot be
    mistaken for the other family's.

    Args:
        absent: IoU of a class that occurs nowhere counts as 'zero' (CAVP) or is left out ('skip', DDESeg).
        per_class_out: csv or json file for the class scores.
        collect_device, prefix: mmengine's.

    Raises:
        ValueError: from ``compute_metrics``: no frame with ground truth was scored.
    """

    default_prefix = None

    def __init__(self, *, absent: str = 'zero', per_class_out: str | None = None, collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if absent not in ('zero', 'skip'):
            raise ValueError(f"absent must be 'zero' or 'skip', got {absent!r}")
        self.absent, self.per_class_out = absent, per_class_out

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        classes = len(self.dataset_meta['classes'])
        for sample in data_samples:
            matrix = np.zeros((classes, classes), np.int64)
            for pred, gt in scored_frames(sample, 'pred_sem_seg'):
                matrix += confusion_matrix(pred, gt, classes)
            self.results.append(dict(subset=sample['subset'], matrix=matrix))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        total = sum(r['matrix'] for r in results)
        if not total.sum():
            raise ValueError(f'AVSConfusionMetric: none of {len(results)} clips has a frame with ground truth to score')
        names = list(self.dataset_meta['classes'])
        subsets = sorted({r['subset'] for r in results})
        rows = [[name, *self._summary(sum(r['matrix'] for r in results if r['subset'] == name)).values()] for name in subsets]
        summary = self._summary(total)
        print_table('confusion', ['subset', *summary], [*rows, ['all', *summary.values()]])
        print_log(f'convention: family confusion, one matrix over {int(total.sum())} pixels of {len(results)} clips, background '
                  f'included, absent classes: {self.absent}, 255 ignored', 'current')
        if self.per_class_out:
            write_per_class(self.per_class_out, names, {k: 100 * v for k, v in per_class(total).items()})
        return {f'confusion_{k}': v for k, v in summary.items()}

    def _summary(self, matrix: np.ndarray) -> dict[str, float]:
        scores = per_class(matrix)
        if self.absent == 'zero':
            scores['mIoU'] = np.nan_to_num(scores['mIoU'])
        return {k: float(100 * np.nanmean(v)) if not np.isnan(v).all() else float('nan') for k, v in scores.items()}


def per_class(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (C,) in [0, 1] of a confusion matrix (rows ground truth), NaN where undefined."""
    tp = np.diag(matrix).astype(float)
    fp, fn = matrix.sum(0) - tp, matrix.sum(1) - tp
    with np.errstate(invalid='ignore'):
        f = {f'F{b:g}': (1 + b) * tp / ((1 + b) * tp + b * fn + fp) for b in (1, 0.3)}
        return {'mIoU': tp / (tp + fp + fn), **f, 'FDR': fp / (fp + tp)}
