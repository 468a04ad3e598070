from itertools import permutations

import pytest
import torch
import torch.nn.functional as F

from mmicf.models.losses import MaskMatchingLoss
from mmicf.models.losses.points import clip_points, sample_labels, sample_logits


def perfect(labels, num_classes, queries, at):
    """Logits that say exactly what ``labels`` (H, W) holds, class c at query ``at[c]``."""
    cls = torch.full((1, queries, num_classes + 1), -20.)
    cls[..., -1] = 20.
    masks = torch.full((1, queries, *labels.shape), -20.)
    for c in labels[labels != 255].unique().tolist():
        cls[0, at[c], c], cls[0, at[c], -1] = 20., -20.
        masks[0, at[c]][labels == c] = 20.
    return cls, masks


@pytest.mark.parametrize('class_loss', ['focal', 'ce'])
def test_a_perfect_prediction_costs_nothing_wherever_it_stands(class_loss):
    loss = MaskMatchingLoss(num_classes=3, class_loss=class_loss, num_points=200)
    labels = torch.zeros(8, 8, dtype=torch.long)
    labels[2:5, 2:6], labels[6:, :3], labels[0, 0] = 1, 2, 255
    for at in ([0, 1, 2], [4, 0, 3]):
        out = loss([perfect(labels, 3, 5, at)[0]], [perfect(labels, 3, 5, at)[1]], labels[None], ['a'])
        assert float(out['loss_cls']) < 1e-3
        assert float(out['loss_mask']) < 0.35  # bilinear points between pixels are never certain
        assert float(out['loss_dice']) < 0.2


def test_matching_is_optimal_against_brute_force():
    torch.manual_seed(0)
    loss = MaskMatchingLoss(num_classes=3, num_points=64, loss_weights=(2., 5., 5.))
    labels = torch.randint(0, 3, (1, 6, 6))
    cls, masks = torch.randn(1, 1, 5, 4), torch.randn(1, 1, 5, 6, 6)
    frame, query, label = loss._match(cls, masks, labels, ['clip'])
    points = clip_points(['clip'], 64, 'match', torch.device('cpu'))
    truth = sample_labels(labels, points)[0]
    logits = sample_logits(masks[0, 0], points.expand(5, -1, -1))

    def cost(q, c):
        t = (truth == c).float()
        p = logits[q].sigmoid()
        dice = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        return 5 * F.binary_cross_entropy_with_logits(logits[q], t) + 5 * dice - 2 * cls[0, 0, q].softmax(-1)[c]

    best = min(permutations(range(5), 3), key=lambda qs: float(sum(cost(q, c) for c, q in enumerate(qs))))
    assert {(int(q), int(c)) for q, c in zip(query[0], label[0], strict=True)} == {(q, c) for c, q in enumerate(best)}
    assert frame.unique().tolist() == [0]


def test_focal_class_loss_equals_its_formula():
    loss = MaskMatchingLoss(num_classes=2, num_points=32)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    cls, masks = torch.randn(1, 3, 3), torch.randn(1, 3, 4, 4)
    _, query, _ = loss._match(cls[None], masks[None], labels, ['a'])
    p = cls[0].softmax(-1)
    expected = 0.
    for q in range(3):
        target, alpha = (0, 0.25) if q == int(query[0, 0]) else (2, 0.25 * 0.1)
        expected -= alpha * (1 - p[q, target])**2 * p[q, target].log()
    assert torch.allclose(loss([cls], [masks], labels, ['a'])['loss_cls'], expected, atol=1e-6)


def test_ignored_pixels_do_not_matter():
    loss = MaskMatchingLoss(num_classes=2, num_points=64)
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, :, 4:] = 255
    masks = torch.randn(1, 3, 8, 8)
    other = masks.clone()
    other[..., 6:] = 9.  # column 5 may be read by bilinear samples at the border, columns 6 and 7 by ignored points only
    cls = torch.randn(1, 3, 3)
    frame, query, label = loss._match(cls[None], masks[None], labels, ['a'])
    count = torch.tensor(1.)
    args = (labels, frame, query, label, ['a'], count)
    loss.importance_ratio = 0.  # the choice of uncertain points looks at ignored pixels, their loss does not
    for a, b in zip(loss._mask_losses(masks[None], *args), loss._mask_losses(other[None], *args), strict=True):
        assert torch.allclose(a, b)


def test_frames_do_not_depend_on_their_batch():
    """The sum over two clips is the sum of each by itself (before the division by the number of masks)."""
    torch.manual_seed(0)
    loss = MaskMatchingLoss(num_classes=3, num_points=64)
    labels, cls, masks = torch.randint(0, 3, (3, 6, 6)), torch.randn(3, 4, 4), torch.randn(3, 4, 6, 6)
    whole = loss([cls], [masks], labels, ['a', 'a', 'b'])
    parts = [loss([cls[s]], [masks[s]], labels[s], ids) for s, ids in ((slice(0, 2), ['a', 'a']), (slice(2, 3), ['b']))]
    for key, value in whole.items():
        assert torch.allclose(value * 9, parts[0][key] * 6 + parts[1][key] * 3, atol=1e-4), key


def test_no_supervised_frame_gives_a_connected_zero():
    loss = MaskMatchingLoss(num_classes=2, num_points=16)
    cls, masks = torch.randn(0, 3, 3, requires_grad=True), torch.randn(0, 3, 4, 4, requires_grad=True)
    out = loss([cls], [masks], torch.zeros(0, 4, 4, dtype=torch.long), [])
    total = sum(out.values())
    total.backward()
    assert float(total) == 0 and cls.grad is not None


def test_a_label_outside_the_map_is_named():
    loss = MaskMatchingLoss(num_classes=2, num_points=16)
    with pytest.raises(ValueError, match=r"clip 'x' holds class 7, expected 0\.\.1"):
        loss([torch.randn(1, 3, 3)], [torch.randn(1, 3, 4, 4)], torch.full((1, 4, 4), 7), ['x'])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_the_matching_nor_the_losses(dtype):
    torch.manual_seed(0)
    loss = MaskMatchingLoss(num_classes=3)
    labels = torch.randint(0, 3, (2, 16, 16))
    cls, masks = torch.randn(2, 2, 8, 4), 2 * torch.randn(2, 2, 8, 16, 16) + 8  # sums over 12,544 points exceed fp16's range
    exact = loss(cls, masks, labels, ['a', 'a'])
    with torch.autocast('cpu', dtype):
        found = loss(cls, masks, labels, ['a', 'a'])
    assert all(torch.equal(found[name], exact[name]) for name in exact)


def test_a_clip_that_occurs_twice_in_a_batch_has_points_for_each_of_its_frames():
    points = clip_points(['a', 'a', 'b', 'a'], 7, 'loss', torch.device('cpu'))
    assert points.shape == (4, 7, 2) and torch.equal(points[0], points[3])
    assert torch.equal(points[:3], clip_points(['a', 'a', 'b'], 7, 'loss', torch.device('cpu')))
