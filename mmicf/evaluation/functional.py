"""Frame scores of the AVSBench protocol, as pure functions of arrays.

Formulas: `AVSBench <https://arxiv.org/abs/2207.05042>`_ (J, F) and `AVSS <https://arxiv.org/abs/2301.13190>`_ (class scores), as
their evaluation code computes them; docs/en/metrics.md states each.
"""
import numpy as np

BETA2 = 0.3
# 255 float32 thresholds; the last rounds to exactly 1.
THRESHOLDS = np.linspace(0, 1 - 1e-10, 255).astype(np.float32)
EPS = 2.2e-16


def binary_iou(pred: np.ndarray, gt: np.ndarray) -> float:
    """IoU of boolean masks (H, W); on an empty ground truth the share of pixels left unmarked."""
    if not gt.any():
        return float((~pred).sum() / (gt.size + 1e-7))
    return float((pred & gt).sum() / ((pred | gt).sum() + 1e-7))


def f_curve(score: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """F-measure (β² = 0.3) of ``score >= threshold`` at each of the 255 thresholds, float64 (255,).

    Counts come from one histogram over the thresholds instead of 255 comparisons; the result is the same to the last pixel.

    Args:
        score: float (H, W) in [0, 1], compared in float32.
        gt: boolean (H, W).
    """
    passed = np.searchsorted(THRESHOLDS, score.astype(np.float32).ravel(), side='right')  # thresholds that the pixel reaches
    hit = gt.ravel()

    def at_least(counts: np.ndarray) -> np.ndarray:
        return counts[::-1].cumsum()[::-1][1:]  # entry k: pixels that reach threshold k

    bins = len(THRESHOLDS) + 1
    marked = at_least(np.bincount(passed, minlength=bins)).astype(np.float64)
    true = at_least(np.bincount(passed[hit], minlength=bins)).astype(np.float64)
    precision, recall = true / (marked + 1e-20), true / (hit.sum() + 1e-20)
    return _f_measure(precision, recall)


def class_scores(pred: np.ndarray, gt: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU, F and presence (in prediction or ground truth) of every class in one frame, each (C,).

    Pixels whose ground truth is 255 do not count.

    Raises:
        ValueError: if a label lies outside 0..C-1.
    """
    valid = gt != 255
    pred, gt = pred[valid].astype(np.int64), gt[valid].astype(np.int64)
    for name, labels in (('prediction', pred), ('ground truth', gt)):
        if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
            raise ValueError(f'{name} holds labels {labels.min()}..{labels.max()}, expected 0..{num_classes - 1} or 255')
    inter = np.bincount(pred[pred == gt], minlength=num_classes).astype(np.float64)
    area_pred, area_gt = np.bincount(pred, minlength=num_classes), np.bincount(gt, minlength=num_classes)
    union = area_pred + area_gt - inter
    precision, recall = _ratio(inter, area_pred), _ratio(inter, area_gt)
    return inter / (union + EPS), _f_measure(precision, recall), union > 0


def confusion_matrix(pred: np.ndarray, gt: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts (C, C), rows ground truth, columns prediction; 255 in the ground truth is left out."""
    valid = gt != 255
    index = gt[valid].astype(np.int64) * num_classes + pred[valid].astype(np.int64)
    return np.bincount(index, minlength=num_classes**2).reshape(num_classes, num_classes)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _f_measure(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """(1+β²)PR / (β²P+R), 0 where undefined."""
    return _ratio((1 + BETA2) * precision * recall, BETA2 * precision + recall)
