"""Frame scores of the AVSBench protocol and confusion matrices, as pure functions of arrays.

Formulas: `AVSBench <https://arxiv.org/abs/2207.05042>`_ (J, F) and `AVSS <https://arxiv.org/abs/2301.13190>`_ (class
scores), as their evaluation code computes them; docs/en/metrics.md states each.
"""
import numpy as np
import torch

BETA2 = 0.3
# 255 float32 thresholds; the last rounds to exactly 1. torch's linspace, as the peers call it, differs from numpy's by
# one unit in the last place at ten of them.
THRESHOLDS = torch.linspace(0, 1 - 1e-10, 255).numpy()
IGNORE = 255
EPS = 2.2e-16


def binary_iou(pred: np.ndarray, gt: np.ndarray) -> float:
    """IoU of boolean masks of one shape; on an empty ground truth the share of pixels left unmarked."""
    if not gt.any():
        return float((~pred).sum() / (gt.size + 1e-7))
    return float((pred & gt).sum() / ((pred | gt).sum() + 1e-7))


def f_curve(score: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """F-measure (β² = 0.3) of ``score >= threshold`` at each of the 255 thresholds, float64 (255,).

    Counts come from one histogram over the thresholds instead of 255 comparisons; the result is the same to the last
    pixel.

    Args:
        score: floats in [0, 1], any shape, compared in float32.
        gt: boolean, same shape.

    Raises:
        ValueError: a score is NaN or outside [0, 1].
    """
    score, hit = score.astype(np.float32).ravel(), gt.ravel()
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError(f'scores lie in [0, 1], found {score.min():.4g} to {score.max():.4g}')
    passed = np.searchsorted(THRESHOLDS, score, side='right')  # how many thresholds the pixel reaches

    def at_least(counts: np.ndarray) -> np.ndarray:
        return counts[::-1].cumsum()[::-1][1:].astype(np.float64)  # entry k: pixels that reach threshold k

    bins = len(THRESHOLDS) + 1
    marked, true = (at_least(np.bincount(pixels, minlength=bins)) for pixels in (passed, passed[hit]))
    return _f_measure(true / (marked + 1e-20), true / (hit.sum() + 1e-20))


def class_scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU, F (β² = 0.3) and presence (in prediction or ground truth) of every class in one frame, each (C,).

    Args:
        confusion: the frame's :func:`confusion_matrix`.
    """
    inter = np.diag(confusion).astype(np.float64)
    area_pred, area_gt = confusion.sum(0), confusion.sum(1)
    union = area_pred + area_gt - inter
    f = _f_measure(_ratio(inter, area_pred), _ratio(inter, area_gt))
    return inter / (union + EPS), f, union > 0


def confusion_matrix(pred: np.ndarray, gt: np.ndarray, num_classes: int) -> np.ndarray:
    """Pixel counts (C, C), rows ground truth, columns prediction; 255 in the ground truth is left out.

    Raises:
        ValueError: a class id outside 0..C-1.
    """
    valid = gt != IGNORE
    pred, gt = pred[valid].astype(np.int64), gt[valid].astype(np.int64)
    for name, ids in (('the prediction', pred), ('the ground truth', gt)):
        if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
            raise ValueError(f'{name} holds class ids {ids.min()} to {ids.max()}, expected 0 to {num_classes - 1}')
    return np.bincount(gt * num_classes + pred, minlength=num_classes**2).reshape(num_classes, num_classes)


def dataset_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Class scores (C,) in [0, 1] of a whole data set's confusion matrix, NaN where undefined.

    ``IoU`` TP/(TP+FP+FN); ``F1``, ``F0.3`` (1+b)TP/((1+b)TP + b·FN + FP) with b = β² = 1, 0.3; ``FDR`` FP/(FP+TP),
    undefined for a class that is never predicted.
    """
    tp = np.diag(confusion).astype(np.float64)
    fp, fn = confusion.sum(0) - tp, confusion.sum(1) - tp
    with np.errstate(invalid='ignore'):
        f = {f'F{b:g}': (1 + b) * tp / ((1 + b) * tp + b * fn + fp) for b in (1, BETA2)}
        return {'IoU': tp / (tp + fp + fn), **f, 'FDR': fp / (fp + tp)}


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _f_measure(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """(1+β²)PR / (β²P+R), 0 where undefined."""
    return _ratio((1 + BETA2) * precision * recall, BETA2 * precision + recall)
