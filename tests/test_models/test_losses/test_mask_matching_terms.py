"""Weights of the mask losses, what the matching may not see, and the points that are uncertain."""
import torch

from mmicf.models.losses import MaskMatchingLoss
from mmicf.models.losses.points import sample_logits, uncertain_points


def test_loss_weights_scale_the_three_terms(monkeypatch):
    torch.manual_seed(0)
    plain, weighted = (MaskMatchingLoss(num_classes=3, num_points=64, loss_weights=w) for w in ((1., 1., 1.), (2., 5., 5.)))
    labels = torch.randint(0, 3, (2, 6, 6))
    classes, masks = [torch.randn(2, 4, 4) for _ in range(2)], [torch.randn(2, 4, 6, 6) for _ in range(2)]
    monkeypatch.setattr(weighted, '_match', plain._match)  # weights also change who is matched
    one, other = (loss(classes, masks, labels, ['a', 'b']) for loss in (plain, weighted))
    for prefix in ('d0.', ''):
        for name, weight in (('cls', 2), ('mask', 5), ('dice', 5)):
            key = f'{prefix}loss_{name}'
            assert one[key] > 0 and torch.allclose(other[key], weight * one[key]), key


def test_matching_does_not_see_ignored_pixels():
    """The first query is right and sure of it wherever there is truth; the second is less sure, but claims no ignored pixel."""
    labels = torch.full((1, 8, 8), 255)
    labels[:, :, :4] = 1
    masks = torch.empty(1, 1, 2, 8, 8)
    masks[:, :, 0] = 20.
    masks[:, :, 1, :, :4], masks[:, :, 1, :, 4:] = 4., -3.
    loss = MaskMatchingLoss(num_classes=2, num_points=256)
    frame, query, label = loss._match(torch.zeros(1, 1, 2, 3), masks, labels, ['a'])
    assert (frame.tolist(), query.tolist(), label.tolist()) == ([[0]], [[0]], [[1]])


def test_uncertain_points_are_the_nearest_to_the_decision_border():
    torch.manual_seed(0)
    logits, candidates = torch.randn(3, 8, 8), torch.rand(3, 40, 2)
    found = uncertain_points(logits, candidates, 10)
    order = sample_logits(logits, candidates).abs().argsort(1)[:, :10]
    for points, all_points, index in zip(found.tolist(), candidates, order, strict=True):
        assert sorted(points) == sorted(all_points[index].tolist())
