"""The F curve is exact at every one of its thresholds."""
import numpy as np
import torch

from mmicf.evaluation.functional import f_curve


def test_scores_on_and_beside_each_threshold_are_counted_exactly():
    thresholds = torch.linspace(0, 1 - 1e-10, 255)  # as the peers make them
    assert thresholds[-1] == 1
    on = thresholds.numpy()
    score = np.concatenate([on, np.nextafter(on, np.float32(0)), np.nextafter(on, np.float32(1))])
    gt = np.random.default_rng(0).random(score.shape) < 0.5
    expected = []
    for t in thresholds:
        y = torch.from_numpy(score) >= t
        tp = (y & torch.from_numpy(gt)).sum().item()
        p, r = tp / (y.sum().item() + 1e-20), tp / (gt.sum() + 1e-20)
        expected.append(1.3 * p * r / (0.3 * p + r) if tp else 0.0)
    np.testing.assert_allclose(f_curve(score, gt), expected, rtol=0, atol=1e-12)
