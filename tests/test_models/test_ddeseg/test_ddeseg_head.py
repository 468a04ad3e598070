"""The head against SegFormer's written out, and the loss against loops over frames and classes."""
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmicf.models.ddeseg import DDESegHead, RegionLoss
from mmicf.models.ddeseg.losses import region_terms
from mmicf.structures import AVFeatures
from mmicf.utils.dummy_inputs import dummy_batch

CHANNELS, SIZES, D = (8, 12, 16, 20), (16, 8, 4, 2), 24


def head(classes=2):
    torch.manual_seed(0)
    model = DDESegHead(num_classes=classes, in_channels=CHANNELS, embed_dims=D, loss=dict(type='RegionLoss'))
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(0.5, 2)
    return model.eval()


def features(n=2):
    torch.manual_seed(1)
    maps = [torch.randn(n, c, s, s) for c, s in zip(CHANNELS, SIZES, strict=True)]
    return AVFeatures(maps, torch.zeros(n, 4), torch.zeros(n, dtype=torch.long))


@pytest.mark.parametrize('classes', [2, 5])
def test_head_equals_segformer_s(classes):
    model, x = head(classes), features()
    with torch.no_grad():
        levels = [linear(m.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, m.shape[-2:])
                  for m, linear in zip(x.maps, model.linears, strict=True)]
        levels = [F.interpolate(v, size=(16, 16), mode='bilinear', align_corners=False) for v in levels]
        y = F.relu(model.norm(F.conv2d(torch.cat(levels[::-1], 1), model.fuse.weight)))  # coarsest first
        torch.testing.assert_close(model(x), model.classify(y), rtol=1e-4, atol=1e-5)
    assert model(x).shape == (2, 1 if classes == 2 else classes, 16, 16)
    assert isinstance(model.norm, nn.BatchNorm2d) and model.norm.eps == 1e-3
    before = model.norm.running_mean.clone()
    model.norm.train()(torch.full((2, D, 3, 3), 2.))
    torch.testing.assert_close(model.norm.running_mean, 0.97 * before + 0.03 * 2)


@pytest.mark.parametrize('classes', [2, 5])
def test_predictions_are_resized_with_aligned_corners(classes):
    outputs = torch.randn(2, 1 if classes == 2 else classes, 4, 4, generator=torch.Generator().manual_seed(0))
    data = dummy_batch(clips=1, frames=2, size=(9, 13), num_classes=classes)['data_samples']
    full = F.interpolate(outputs, size=(9, 13), mode='bilinear', align_corners=True)
    for frame, x in zip(head(classes).predict(outputs, data)[0].frames, full, strict=True):
        expected = (x > 0).long() if classes == 2 else x.argmax(0, keepdim=True)
        assert torch.equal(frame.pred_sem_seg.data, expected)
        if classes == 2:
            torch.testing.assert_close(frame.av_score.data, x.sigmoid())


def plain(logits, labels):
    """Dice, cross entropy and IoU loss of one frame by loops; logits (C, H, W)."""
    channels, eps, total = len(logits), 1e-5, 0.
    sums = [[0., 0., 0.] for _ in range(channels)]  # both, predicted, true
    pixels = [(i, j) for i in range(labels.shape[0]) for j in range(labels.shape[1]) if labels[i, j] != 255]
    for i, j in pixels:
        label, x = int(labels[i, j]), [float(v) for v in logits[:, i, j]]
        if channels == 1:
            prob, truth = [1 / (1 + math.exp(-x[0]))], [float(label == 1)]
            total -= math.log(prob[0] if label == 1 else 1 - prob[0])
        else:
            z = sum(math.exp(v) for v in x)
            prob, truth = [math.exp(v) / z for v in x], [float(label == c) for c in range(channels)]
            total -= math.log(prob[label])
        for s, p, t in zip(sums, prob, truth, strict=True):
            s[0], s[1], s[2] = s[0] + p * t, s[1] + p, s[2] + t
    dice = 1 - sum((2 * b + eps) / (p + t + eps) for b, p, t in sums) / channels
    iou = 1 - sum((b + eps) / (p + t - b + eps) for b, p, t in sums) / channels
    return dice, total / len(pixels), iou


@pytest.mark.parametrize('channels', [1, 4])
def test_equation_18(channels):
    torch.manual_seed(0)
    logits = torch.randn(3, channels, 5, 6, dtype=torch.float64)
    labels = torch.randint(0, max(channels, 2), (3, 5, 6))
    labels[0, :2] = 255
    labels[1] = 0
    truth = torch.tensor([plain(x, y) for x, y in zip(logits, labels, strict=True)], dtype=torch.float64)
    terms = torch.stack(region_terms(logits, labels), 1)
    torch.testing.assert_close(terms, truth, rtol=1e-5, atol=1e-6)
    losses = RegionLoss()(logits, labels)
    for (name, value), weight, term in zip(losses.items(), (5, 5, 2), truth.mean(0), strict=True):
        assert name.startswith('loss_') and float(value) == pytest.approx(weight * float(term), rel=1e-4)


def test_small_logits_are_resized_and_no_frame_gives_zero():
    logits = torch.randn(2, 1, 4, 4, requires_grad=True)
    labels = torch.randint(0, 2, (2, 16, 16))
    full = F.interpolate(logits, size=(16, 16), mode='bilinear', align_corners=True)
    assert all(torch.equal(a, b) for a, b in zip(RegionLoss()(logits, labels).values(), RegionLoss()(full, labels).values(),
                                                 strict=True))
    total = sum(RegionLoss()(logits, labels[:0, :1, :1]).values())
    total.backward()
    assert total.item() == 0 and not logits.grad.any()


def test_a_perfect_and_an_inverted_prediction():
    labels = torch.randint(0, 2, (2, 8, 8))
    right = (labels[:, None].float() * 2 - 1) * 20
    good, bad = (sum(RegionLoss()(x, labels).values()).item() for x in (right, -right))
    assert good < 1e-2 and bad > 50


def test_refuses_other_number_of_maps():
    x = features()
    with pytest.raises(ValueError, match='3 maps'):
        head()(x._replace(maps=x.maps[:3]))
