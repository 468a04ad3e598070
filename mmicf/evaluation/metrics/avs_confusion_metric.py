"""The confusion metric family: whole-dataset counts, as CAVP and DDESeg report them."""
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmicf.registry import METRICS

from ..clip_frames import in_dataset_order, scored_frames
from ..functional import confusion_matrix, dataset_scores
from ..report import check_table_path, print_table, write_per_class


@METRICS.register_module()
class AVSConfusionMetric(BaseMetric):
    """mIoU, F1, F0.3 and FDR, all ×100, from one confusion matrix over all pixels of the set.

    Never compare them with avsbench's J, F. With TP, FP, FN per class: IoU = TP/(TP+FP+FN);
    F = (1+b)TP/((1+b)TP + b·FN + FP) with b = β² in {1, 0.3}, averaged over the classes for which it is defined;
    FDR = FP/(FP+TP), averaged over the classes that are predicted somewhere
    (`CAVP <https://arxiv.org/abs/2304.02970>`_). Background is a class like any, also in binary sets. Keys carry
    ``confusion_`` so that they cannot be mistaken for the other family's.

    Args:
        absent: IoU of a class that occurs nowhere counts as 'zero' (CAVP) or is left out ('skip', DDESeg).
        per_class_out: csv or json file for the class scores.
        per_subset: also give every subset's own scores, as ``confusion_mIoU_{subset}`` and so on; the table shows them
            in any case.
        collect_device, prefix: mmengine's.

    Raises:
        ValueError: when scoring, a prediction that is missing, of another size or out of range; from
            ``compute_metrics``, no frame with ground truth was scored, or a clip twice.
    """

    default_prefix = None

    def __init__(self, *, absent: str = 'zero', per_class_out: str | None = None, per_subset: bool = False,
                 collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if absent not in ('zero', 'skip'):
            raise ValueError(f"absent must be 'zero' or 'skip', got {absent!r}")
        self.absent, self.per_class_out, self.per_subset = absent, check_table_path(per_class_out), per_subset

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Appends one result per clip; its matrix is kept as the cells that are not 0, few of C²."""
        classes = len(self.dataset_meta['classes'])
        for sample in data_samples:
            matrix, frames = np.zeros((classes, classes), np.int64), 0
            for where, pred, gt in scored_frames(sample, 'pred_sem_seg', 'AVSConfusionMetric'):
                try:
                    matrix += confusion_matrix(pred, gt, classes)
                except ValueError as error:
                    raise ValueError(f'{where}: {error}') from error
                frames += 1
            cells = np.flatnonzero(matrix)
            self.results.append(dict(index=sample['sample_idx'], clip_id=sample['clip_id'], subset=sample['subset'],
                                     frames=frames, cells=cells, counts=matrix.flat[cells]))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        results = in_dataset_order(results)
        total = self._matrix(results)
        if not total.sum():
            raise ValueError(f'AVSConfusionMetric: none of {len(results)} clips has a frame with ground truth to score')
        summary = self._summary(total)
        out, rows = {f'confusion_{key}': value for key, value in summary.items()}, []
        parts = {name: [r for r in results if r['subset'] == name] for name in sorted({r['subset'] for r in results})}
        for name, part in [*parts.items(), ('all', results)]:
            scores = self._summary(self._matrix(part))
            rows.append([name, *scores.values(), len(part), sum(r['frames'] for r in part)])
            if self.per_subset and name in parts:
                out.update({f'confusion_{key}_{name}': value for key, value in scores.items()})
        names, classes = list(self.dataset_meta['classes']), {k: 100 * v for k, v in dataset_scores(total).items()}
        occurs = np.flatnonzero(total.sum(0) + total.sum(1))
        print_table('confusion: classes that occur', ['class', *classes],
                    [[names[i], *(float(v[i]) for v in classes.values())] for i in occurs])
        print_table('confusion', ['subset', *summary, 'clips', 'frames'], rows)
        print_log(f'convention: family confusion, one matrix over {int(total.sum())} pixels of {len(results)} clips, '
                  f'{len(names)} classes with background, absent classes in mIoU: {self.absent}, 255 ignored',
                  'current')
        if self.per_class_out:
            write_per_class(self.per_class_out, names, classes)
        return out

    def _matrix(self, results: list[dict]) -> np.ndarray:
        classes = len(self.dataset_meta['classes'])
        matrix = np.zeros(classes**2, np.int64)
        for result in results:
            matrix[result['cells']] += result['counts']
        return matrix.reshape(classes, classes)

    def _summary(self, matrix: np.ndarray) -> dict[str, float]:
        scores = dataset_scores(matrix)
        scores = {'mIoU': np.nan_to_num(scores['IoU']) if self.absent == 'zero' else scores['IoU'],
                  **{key: scores[key] for key in ('F1', 'F0.3', 'FDR')}}
        return {k: float(100 * np.nanmean(v)) if not np.isnan(v).all() else float('nan') for k, v in scores.items()}
