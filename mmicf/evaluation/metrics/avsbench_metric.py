"""The avsbench metric family: per-frame J and F, as ICF, COMBO, TPAVI and AVSegFormer report them."""
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmicf.registry import METRICS

from ..clip_frames import scored_frames
from ..functional import binary_iou, class_scores, f_curve
from ..report import write_per_class, print_table

PADDED_LENGTH = 10  # frames to which the AVSS loaders of AVSBench and AVSegFormer pad a clip


@METRICS.register_module()
class AVSBenchMetric(BaseMetric):
    """J, F and their mean JF (printed as J&F), all ×100, of the avsbench family. Never compare with the confusion family.

    Binary sets: J is the mean over frames of the IoU at ``score > 0.5`` (strict). F is the maximum over 255 thresholds of the F
    curve averaged over the non-empty frames of a group, averaged over groups; a group without a non-empty frame counts as 0.
    Since it is a mean of maxima, F depends on the group: ``f_group='video'`` takes each clip by itself, an integer so many
    consecutive clips of the dataset (a peer's test batch size), 'dataset' all.

    Semantic sets: per frame and class IoU and F of the label maps; their sums are divided by the number of frames in which the
    class occurs in prediction or ground truth, then averaged over classes.

    Args:
        task: 'binary' or 'semantic'.
        f_group: 'video', 'dataset' or a number of clips.
        empty_gt: J of a frame with empty ground truth: 'pixel_acc' (share of unmarked pixels, the protocol) or 'skip'.
        pad_frames: 'drop' scores real frames only; 'count' adds the perfect background frames with which AVSBench and AVSegFormer
            pad 5-frame AVSS clips to 10 (worth 0.03 to 0.05 points).
        background: 'keep' or 'drop' class 0 in the class mean.
        absent: a class that never occurs counts as 'zero' (the protocol) or is left out ('skip').
        per_class_out: csv or json file for the class scores.
        collect_device, prefix: mmengine's.

    Raises:
        ValueError: from ``compute_metrics``: no frame with ground truth was scored.
    """

    default_prefix = None

    def __init__(self, *, task: str = 'binary', f_group: str | int = 'video', empty_gt: str = 'pixel_acc', pad_frames: str = 'drop',
                 background: str = 'keep', absent: str = 'zero', per_class_out: str | None = None, collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        for name, value, allowed in (('task', task, ('binary', 'semantic')), ('empty_gt', empty_gt, ('pixel_acc', 'skip')),
                                     ('pad_frames', pad_frames, ('drop', 'count')), ('background', background, ('keep', 'drop')),
                                     ('absent', absent, ('zero', 'skip'))):
            if value not in allowed:
                raise ValueError(f'{name} must be one of {list(allowed)}, got {value!r}')
        if f_group not in ('video', 'dataset') and not (isinstance(f_group, int) and f_group > 0):
            raise ValueError(f"f_group must be 'video', 'dataset' or a positive number of clips, got {f_group!r}")
        self.task, self.f_group, self.empty_gt, self.pad_frames = task, f_group, empty_gt, pad_frames
        self.background, self.absent, self.per_class_out = background, absent, per_class_out

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Appends one light result per clip: mmengine cuts the collected list to the number of clips."""
        score = self._score_binary if self.task == 'binary' else self._score_semantic
        for sample in data_samples:
            self.results.append(dict(index=sample['sample_idx'], subset=sample['subset'], **score(sample)))

    def _score_binary(self, sample: dict) -> dict:
        ious, curve, filled = [], 0., 0
        for score, gt in scored_frames(sample, 'av_score'):
            gt = gt == 1
            if gt.any():
                curve, filled = curve + f_curve(score, gt), filled + 1
            if gt.any() or self.empty_gt == 'pixel_acc':
                ious.append(binary_iou(score > 0.5, gt))
        return dict(iou=sum(ious), frames=len(ious), curve=curve, filled=filled)

    def _score_semantic(self, sample: dict) -> dict:
        classes = len(self.dataset_meta['classes'])
        iou, f, count, frames = np.zeros(classes), np.zeros(classes), np.zeros(classes), 0
        for pred, gt in scored_frames(sample, 'pred_sem_seg'):
            frame_iou, frame_f, present = class_scores(pred, gt, classes)
            iou, f, count, frames = iou + frame_iou * present, f + frame_f * present, count + present, frames + 1
        if self.pad_frames == 'count':
            padded = PADDED_LENGTH - sample['num_frames']
            for total in (iou, f, count):
                total[0] += padded
            frames += padded
        return dict(iou=iou, f=f, count=count, frames=frames)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        results = sorted(results, key=lambda r: r['index'])  # dataset order, whatever the ranks
        if not sum(r['frames'] for r in results):
            raise ValueError(f'AVSBenchMetric: none of {len(results)} clips has a frame with ground truth to score')
        return self._binary(results) if self.task == 'binary' else self._semantic(results)

    def _binary(self, results: list[dict]) -> dict[str, float]:
        frames = sum(r['frames'] for r in results)
        j = 100 * sum(r['iou'] for r in results) / frames
        size = {'video': 1, 'dataset': len(results)}.get(self.f_group, self.f_group)
        groups = [results[i:i + size] for i in range(0, len(results), size)]
        f = 100 * float(np.mean([self._group_f(g) for g in groups]))
        out = dict(J=j, F=f, JF=(j + f) / 2)
        print_table('avsbench, binary', ['J', 'F', 'J&F'], [[j, f, out['JF']]])
        print_log(f'convention: family avsbench, J at score > 0.5 over {frames} frames (empty ground truth: {self.empty_gt}), '
                  f'F = max over 255 thresholds per f_group={self.f_group} ({len(groups)} groups of {len(results)} clips, '
                  f'beta^2 = 0.3)', 'current')
        return out

    @staticmethod
    def _group_f(group: list[dict]) -> float:
        filled = sum(r['filled'] for r in group)
        return float((sum(r['curve'] for r in group) / filled).max()) if filled else 0.

    def _semantic(self, results: list[dict]) -> dict[str, float]:
        names = list(self.dataset_meta['classes'])
        iou, f, count = (sum(r[k] for r in results) for k in ('iou', 'f', 'count'))
        seen = count > 0
        per_class = {'J': np.divide(iou, count, out=np.zeros_like(iou), where=seen) * 100,
                     'F': np.divide(f, count, out=np.zeros_like(f), where=seen) * 100}
        use = seen.copy() if self.absent == 'skip' else np.ones_like(seen)
        if self.background == 'drop':
            use[0] = False
        j, f_mean = (float(per_class[k][use].mean()) for k in ('J', 'F'))
        out = dict(J=j, F=f_mean, JF=(j + f_mean) / 2)
        print_table('avsbench, semantic: classes that occur', ['class', 'frames', 'J', 'F'],
                    [[names[i], int(count[i]), per_class['J'][i], per_class['F'][i]] for i in np.flatnonzero(seen)]
                    + [[f'mean of {int(use.sum())}', sum(r['frames'] for r in results), j, f_mean]])
        print_log(f'convention: family avsbench, per-frame class scores of {sum(r["frames"] for r in results)} frames of '
                  f'{len(results)} clips, mean over {int(use.sum())} classes (background: {self.background}, never seen: '
                  f'{self.absent}, padded frames: {self.pad_frames}), beta^2 = 0.3', 'current')
        if self.per_class_out:
            write_per_class(self.per_class_out, names, dict(frames=count, **per_class))
        return out
