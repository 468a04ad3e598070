"""The avsbench metric family: per-frame J and F, as ICF, COMBO, TPAVI and AVSegFormer report them."""
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmicf.registry import METRICS

from ..clip_frames import in_dataset_order, scored_frames
from ..functional import IGNORE, THRESHOLDS, binary_iou, class_scores, confusion_matrix, f_curve
from ..report import check_table_path, print_table, write_per_class

PADDED_LENGTH = 10  # frames to which the AVSS loaders of AVSBench and AVSegFormer pad a clip
# What each switch may be, and what it is in the task that does not read it.
SWITCHES = dict(empty_gt=('pixel_acc', 'skip'), pad_frames=('drop', 'count'), background=('keep', 'drop'),
                absent=('zero', 'skip'))
UNUSED = dict(binary=dict(pad_frames='drop', background='keep', absent='zero', per_class_out=None),
              semantic=dict(f_group='video', threshold=0.5, empty_gt='pixel_acc'))


@METRICS.register_module()
class AVSBenchMetric(BaseMetric):
    """J, F and their mean JF (printed as J&F), all ×100, of the avsbench family.

    Never compare them with the confusion family. Frames without ground truth (``has_gt`` False) are ignored, and so are
    pixels whose ground truth is 255.

    Binary sets read ``av_score``. J is the mean over frames of the IoU at ``score > threshold``. (The peers average it
    over batches, which is the same wherever all batches hold equally many frames.) F is the maximum over 255 thresholds
    of the F curve averaged over the non-empty frames of a group, averaged over groups; a group without a non-empty
    frame counts as 0. Since it is a mean of maxima, F depends on the group: ``f_group='video'`` takes each clip by
    itself, an integer so many consecutive clips of the dataset (a peer's test batch size), 'dataset' all.

    Semantic sets read ``pred_sem_seg``: per frame and class IoU and F of the label maps; their sums are divided by the
    number of frames in which the class occurs in prediction or ground truth, then averaged over classes.

    Args:
        task: 'binary' or 'semantic'; a switch of the other task is refused.
        f_group: 'video', 'dataset' or a number of clips. Binary.
        threshold: a pixel sounds when its score is above it. Binary.
        empty_gt: J of a frame with empty ground truth: 'pixel_acc' (share of unmarked pixels, the protocol) or 'skip'.
            Binary.
        pad_frames: 'drop' scores real frames only; 'count' adds the perfect background frames with which AVSBench and
            AVSegFormer pad 5-frame AVSS clips to 10 (worth 0.03 to 0.05 points). Semantic.
        background: 'keep' or 'drop' class 0 in the class mean. Semantic.
        absent: a class that never occurs counts as 'zero' (the protocol) or is left out ('skip'). Semantic.
        per_class_out: csv or json file for the class scores. Semantic.
        per_subset: also give every subset's own scores, as ``J_{subset}`` and so on.
        collect_device, prefix: mmengine's.

    Raises:
        ValueError: an unknown or unread switch; when scoring, a prediction that is missing, of another size or out of
            range; from ``compute_metrics``, no frame with ground truth was scored, or a clip twice.
    """

    default_prefix = None

    def __init__(self, *, task: str = 'binary', f_group: str | int = 'video', threshold: float = 0.5,
                 empty_gt: str = 'pixel_acc', pad_frames: str = 'drop', background: str = 'keep', absent: str = 'zero',
                 per_class_out: str | None = None, per_subset: bool = False, collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.task, self.f_group, self.threshold, self.empty_gt = task, f_group, threshold, empty_gt
        self.pad_frames, self.background, self.absent = pad_frames, background, absent
        self.per_class_out, self.per_subset = check_table_path(per_class_out), per_subset
        for name, allowed in {'task': tuple(UNUSED), **SWITCHES}.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} must be one of {list(allowed)}, got {getattr(self, name)!r}')
        if f_group not in ('video', 'dataset') and not (type(f_group) is int and f_group > 0):
            raise ValueError(f"f_group must be 'video', 'dataset' or a positive number of clips, got {f_group!r}")
        if not 0 <= threshold < 1:
            raise ValueError(f'threshold must lie in [0, 1), got {threshold}')
        unread = [name for name, value in UNUSED[task].items() if getattr(self, name) != value]
        if unread:
            raise ValueError(f'{", ".join(unread)}: not read with task={task!r}')

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Appends one light result per clip: mmengine cuts the collected list to the number of clips."""
        score = self._score_binary if self.task == 'binary' else self._score_semantic
        for sample in data_samples:
            self.results.append(dict(index=sample['sample_idx'], clip_id=sample['clip_id'], subset=sample['subset'],
                                     **score(sample)))

    def _score_binary(self, sample: dict) -> dict:
        ious, curve, filled, empty = [], np.zeros(len(THRESHOLDS)), 0, 0
        for where, score, gt in scored_frames(sample, 'av_score', 'AVSBenchMetric'):
            valid = gt != IGNORE
            if not valid.any():
                continue
            score, gt = score[valid], gt[valid]
            if not 0 <= gt.min() <= gt.max() <= 1:
                raise ValueError(f'{where}: the ground truth holds class ids {gt.min()} to {gt.max()}, expected 0 '
                                 'and 1')
            gt = gt == 1
            try:
                frame_curve = f_curve(score, gt)
            except ValueError as error:
                raise ValueError(f'{where}: av_score: {error}') from error
            if gt.any():
                curve, filled = curve + frame_curve, filled + 1
            else:
                empty += 1
            if gt.any() or self.empty_gt == 'pixel_acc':
                ious.append(binary_iou(score > self.threshold, gt))
        return dict(iou=sum(ious), frames=len(ious), curve=curve, filled=filled, empty=empty)

    def _score_semantic(self, sample: dict) -> dict:
        classes = len(self.dataset_meta['classes'])
        iou, f, count = np.zeros((3, classes))
        frames, padded = 0, 0
        for where, pred, gt in scored_frames(sample, 'pred_sem_seg', 'AVSBenchMetric'):
            try:
                frame_iou, frame_f, present = class_scores(confusion_matrix(pred, gt, classes))
            except ValueError as error:
                raise ValueError(f'{where}: {error}') from error
            iou, f, count, frames = iou + frame_iou, f + frame_f, count + present, frames + 1
        if frames and self.pad_frames == 'count':
            padded = max(0, PADDED_LENGTH - sample['num_frames'])
            for total in (iou, f, count):
                total[0] += padded
        return dict(iou=iou, f=f, count=count, frames=frames, padded=padded)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        found = len(results)
        results = [r for r in in_dataset_order(results) if r['frames'] or r.get('empty')]
        if not sum(r['frames'] for r in results):
            raise ValueError(f'AVSBenchMetric: none of {found} clips has a frame with ground truth to score')
        summarize = self._binary if self.task == 'binary' else self._semantic
        out, rows = summarize(results), []
        for subset in sorted({r['subset'] for r in results}) if self.per_subset else ():
            part = [r for r in results if r['subset'] == subset]
            if sum(r['frames'] for r in part):  # with empty_gt='skip' a subset may have no frame that counts
                scores = summarize(part)
                rows.append(self._row(subset, part, scores))
                out.update({f'{key}_{subset}': value for key, value in scores.items()})
        if self.task == 'semantic':
            self._report_classes(results)
        rows.append(self._row('all', results, out))
        print_table(f'avsbench, {self.task}', ['subset', 'J', 'F', 'J&F', 'clips', 'frames'], rows)
        print_log(f'convention: family avsbench, {self._convention(results)}, beta^2 = 0.3', 'current')
        return out

    @staticmethod
    def _row(name: str, results: list[dict], scores: dict[str, float]) -> list:
        return [name, *(scores[key] for key in ('J', 'F', 'JF')), len(results), sum(r['frames'] for r in results)]

    def _convention(self, results: list[dict]) -> str:
        frames = sum(r['frames'] for r in results)
        if self.task == 'binary':
            return (f'J at score > {self.threshold:g} over {frames} frames ({sum(r["empty"] for r in results)} frames '
                    f'with empty ground truth: {self.empty_gt}), F = max over 255 thresholds per '
                    f'f_group={self.f_group} ({len(self._groups(results))} groups of {len(results)} clips)')
        return (f'per-frame class scores of {frames} frames of {len(results)} clips, mean over '
                f'{int(self._used(results).sum())} classes (background: {self.background}, never seen: {self.absent}, '
                f'padded frames: {self.pad_frames}, {sum(r["padded"] for r in results)} added)')

    # ------------------------------------------------------------------ binary

    def _groups(self, results: list[dict]) -> list[list[dict]]:
        size = {'video': 1, 'dataset': len(results)}.get(self.f_group, self.f_group)
        return [results[i:i + size] for i in range(0, len(results), size)]

    def _binary(self, results: list[dict]) -> dict[str, float]:
        j = 100 * sum(r['iou'] for r in results) / sum(r['frames'] for r in results)
        f = 100 * float(np.mean([self._group_f(group) for group in self._groups(results)]))
        return dict(J=j, F=f, JF=(j + f) / 2)

    @staticmethod
    def _group_f(group: list[dict]) -> float:
        filled = sum(r['filled'] for r in group)
        return float((sum(r['curve'] for r in group) / filled).max()) if filled else 0.

    # ------------------------------------------------------------------ semantic

    @staticmethod
    def _class_scores(results: list[dict]) -> dict[str, np.ndarray]:
        """J and F ×100 of each class, 0 where it never occurs, and the number of frames that have it."""
        iou, f, count = (sum(r[k] for r in results) for k in ('iou', 'f', 'count'))
        return dict(frames=count, J=100 * iou / np.maximum(count, 1), F=100 * f / np.maximum(count, 1))

    def _used(self, results: list[dict]) -> np.ndarray:
        """Which classes enter the mean, boolean (C,)."""
        count = sum(r['count'] for r in results)
        used = count > 0 if self.absent == 'skip' else np.ones(len(count), bool)
        used[0] &= self.background == 'keep'
        return used

    def _semantic(self, results: list[dict]) -> dict[str, float]:
        scores, used = self._class_scores(results), self._used(results)
        if not used.any():  # only background occurs, and it does not count
            return dict(J=float('nan'), F=float('nan'), JF=float('nan'))
        j, f = (float(scores[k][used].mean()) for k in ('J', 'F'))
        return dict(J=j, F=f, JF=(j + f) / 2)

    def _report_classes(self, results: list[dict]) -> None:
        names, scores = list(self.dataset_meta['classes']), self._class_scores(results)
        print_table('avsbench, semantic: classes that occur', ['class', 'frames', 'J', 'F'],
                    [[names[i], int(scores['frames'][i]), float(scores['J'][i]), float(scores['F'][i])]
                     for i in np.flatnonzero(scores['frames'])])
        if self.per_class_out:
            write_per_class(self.per_class_out, names, scores)
