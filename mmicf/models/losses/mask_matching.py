"""Segmentation loss of ICF (Eq. 18): Hungarian matching of query masks with a frame's class segments.

The matching and point sampling follow `Mask2Former <https://arxiv.org/abs/2112.01527>`_; background is a segment like any class.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.dist import all_reduce_mean

from .points import clip_points, sample_labels, sample_logits, uncertain_points

IGNORE = 255


@MODELS.register_module()
class MaskMatchingLoss(nn.Module):
    """Class, mask and dice loss of every prediction of a query decoder.

    Matching costs carry the loss weights; the class cost is −p(class) for both class losses (a focal cost would vanish beside the
    mask costs). Sums are divided by the number of matched masks, averaged over ranks, so that with DDP's gradient mean any split
    of a batch over ranks gives the gradient of one process.

    Args:
        num_classes: C, background included.
        class_loss: 'focal' (softmax focal, γ=2, α=0.25) or 'ce' (normalised by the weights' sum as in Mask2Former).
        loss_weights: of (class, mask BCE, dice); the paper's table has 1, 1, 1, Mask2Former 2, 5, 5.
        no_object_weight: relative weight of queries without a match in the class loss.
        num_points: P points per mask.
        oversample_ratio, importance_ratio: P·importance points are the most uncertain of P·oversample, the rest uniform.
    """

    gamma, alpha = 2.0, 0.25

    def __init__(self, *, num_classes: int, class_loss: str = 'focal', loss_weights: Sequence[float] = (1., 1., 1.),
                 no_object_weight: float = 0.1, num_points: int = 12544, oversample_ratio: float = 3.0,
                 importance_ratio: float = 0.75) -> None:
        super().__init__()
        if class_loss not in ('focal', 'ce'):
            raise ValueError(f"class_loss must be 'focal' or 'ce', got {class_loss!r}")
        if len(loss_weights) != 3:
            raise ValueError(f'loss_weights must be three numbers (class, mask, dice), got {loss_weights}')
        self.num_classes, self.class_loss, self.loss_weights = num_classes, class_loss, tuple(loss_weights)
        self.num_points, self.oversample_ratio, self.importance_ratio = num_points, oversample_ratio, importance_ratio
        weight = torch.ones(num_classes + 1)
        weight[-1] = no_object_weight
        self.register_buffer('class_weight', weight, persistent=False)

    def forward(self, class_logits: Sequence[Tensor], mask_logits: Sequence[Tensor], labels: Tensor,
                clip_ids: Sequence[str]) -> dict[str, Tensor]:
        """Losses of the S supervised frames.

        Args:
            class_logits: per prediction (S, Q, C+1), no-object last.
            mask_logits: per prediction (S, Q, h, w).
            labels: (S, H, W) class ids, 255 = ignore.
            clip_ids: the clip of each frame.

        Returns:
            ``loss_cls, loss_mask, loss_dice`` of the last prediction and ``d{i}.loss_*`` of the others, weighted.
        """
        # Sums over thousands of points overflow float16, and in bfloat16 the matching changes.
        with torch.autocast(labels.device.type, enabled=False):
            return self._losses(class_logits, mask_logits, labels, clip_ids)

    def _losses(self, class_logits: Sequence[Tensor], mask_logits: Sequence[Tensor], labels: Tensor,
                clip_ids: Sequence[str]) -> dict[str, Tensor]:
        classes = torch.stack([x.float() for x in class_logits])  # (L, S, Q, C+1)
        masks = torch.stack([x.float() for x in mask_logits])  # (L, S, Q, h, w)
        frame, query, label = self._match(classes.detach(), masks.detach(), labels, clip_ids)
        count = all_reduce_mean(classes.new_tensor(float(frame.shape[1]))).clamp(min=1)
        loss_cls = self._class_loss(classes, frame, query, label, count)
        loss_mask, loss_dice = self._mask_losses(masks, labels, frame, query, label, clip_ids, count)
        losses = {}
        for i in range(len(classes)):
            prefix = '' if i == len(classes) - 1 else f'd{i}.'
            for name, value, weight in zip(('cls', 'mask', 'dice'), (loss_cls, loss_mask, loss_dice), self.loss_weights,
                                           strict=True):
                losses[f'{prefix}loss_{name}'] = value[i] * weight
        return losses

    @torch.no_grad()
    def _match(self, classes: Tensor, masks: Tensor, labels: Tensor, clip_ids: Sequence[str]) -> tuple[Tensor, ...]:
        """Frame, query and class of every matched pair, each (L, K) with the same K for all predictions.

        Raises:
            ValueError: if a frame's ground truth holds a class id outside the map.
        """
        num_layers = len(classes)
        points = clip_points(clip_ids, self.num_points, 'match', labels.device)
        sampled = sample_labels(labels, points)  # (S, P)
        valid = (sampled != IGNORE).float()
        present = _classes_of(labels)
        for clip, ids in zip(clip_ids, present, strict=True):
            if len(ids) and int(ids[-1]) >= self.num_classes:
                raise ValueError(f'ground truth of clip {clip!r} holds class {int(ids[-1])}, expected 0..{self.num_classes - 1} '
                                 f'or {IGNORE}')
        most = max((len(ids) for ids in present), default=0)
        if most == 0:
            return (torch.zeros(num_layers, 0, dtype=torch.long, device=labels.device), ) * 3
        columns = torch.stack([F.pad(ids, (0, most - len(ids)), value=-1) for ids in present]).to(labels.device)  # (S, M)
        target = (sampled[..., None] == columns[:, None]).float()  # (S, P, M)
        costs = torch.stack([self._cost(c, m, points, target, valid, columns) for c, m in zip(classes, masks, strict=True)])
        table = []
        for cost in costs.cpu().numpy():  # one copy for all layers and frames
            for s, ids in enumerate(present):
                rows, segments = linear_sum_assignment(cost[s, :, :len(ids)])
                table += [(s, q, m) for q, m in zip(rows, segments, strict=True)]
        table = torch.tensor(table, dtype=torch.long, device=labels.device).view(num_layers, -1, 3)
        frame, query, segment = table.unbind(-1)
        return frame, query, columns[frame, segment]

    def _cost(self, classes: Tensor, masks: Tensor, points: Tensor, target: Tensor, valid: Tensor, columns: Tensor) -> Tensor:
        """Matching cost of one prediction: (S, Q, C+1), (S, Q, h, w), (S, P, 2), (S, P, M), (S, P), (S, M) → (S, Q, M)."""
        x = F.grid_sample(masks, 2 * points[:, None] - 1, mode='bilinear', align_corners=False)[:, :, 0]  # (S, Q, P)
        area = valid.sum(1)[:, None, None].clamp(min=1)
        # Σ BCE = Σ_valid softplus(x) − Σ_target x
        bce = (F.softplus(x) @ valid[..., None] - x @ target) / area
        p = x.sigmoid()
        dice = 1 - (2 * p @ target + 1) / (p @ valid[..., None] + target.sum(1)[:, None] + 1)
        class_p = classes.softmax(-1).gather(-1, columns.clamp(min=0)[:, None].expand(-1, classes.shape[1], -1))
        w_class, w_mask, w_dice = self.loss_weights
        return w_mask * bce + w_dice * dice - w_class * class_p

    def _class_loss(self, classes: Tensor, frame: Tensor, query: Tensor, label: Tensor, count: Tensor) -> Tensor:
        """(L,): softmax focal −α_c (1−p)^γ log p, or weighted cross-entropy."""
        target = torch.full(classes.shape[:3], self.num_classes, dtype=torch.long, device=classes.device)
        layer = torch.arange(len(classes), device=classes.device)[:, None].expand_as(frame)
        target[layer, frame, query] = label
        log_p = classes.log_softmax(-1).gather(-1, target[..., None])[..., 0]  # (L, S, Q)
        weight = self.class_weight[target]
        if self.class_loss == 'ce':
            return -(weight * log_p).flatten(1).sum(1) / all_reduce_mean(weight.flatten(1).sum(1)).clamp(min=1e-6)
        focal = -self.alpha * weight * (1 - log_p.exp())**self.gamma * log_p
        return focal.flatten(1).sum(1) / count

    def _mask_losses(self, masks: Tensor, labels: Tensor, frame: Tensor, query: Tensor, label: Tensor,
                     clip_ids: Sequence[str], count: Tensor) -> tuple[Tensor, Tensor]:
        """BCE and dice (L,) of the matched masks at sampled points; ignored pixels weigh nothing."""
        num_layers, matched = frame.shape
        if matched == 0:
            zero = masks.flatten(1).sum(1) * 0
            return zero, zero
        layer = torch.arange(num_layers, device=frame.device)[:, None].expand_as(frame)
        logits = masks[layer, frame, query].flatten(0, 1)  # (L·K, h, w)
        certain = self.num_points - int(self.num_points * self.importance_ratio)
        drawn = clip_points(clip_ids, int(self.num_points * self.oversample_ratio) + certain, 'loss', labels.device)
        drawn = drawn[frame.flatten()]
        uncertain = uncertain_points(logits, drawn[:, certain:], self.num_points - certain)
        points = torch.cat([drawn[:, :certain], uncertain], 1)
        truth = sample_labels(labels[frame.flatten()], points)
        valid = (truth != IGNORE).float()
        target = (truth == label.flatten()[:, None]).float()
        x = sample_logits(logits, points)
        bce = (F.binary_cross_entropy_with_logits(x, target, reduction='none') * valid).sum(1) / valid.sum(1).clamp(min=1)
        p = x.sigmoid() * valid
        dice = 1 - (2 * (p * target).sum(1) + 1) / (p.sum(1) + target.sum(1) + 1)
        return bce.view(num_layers, matched).sum(1) / count, dice.view(num_layers, matched).sum(1) / count


def _classes_of(labels: Tensor) -> list[Tensor]:
    """Ascending class ids of each map of (S, H, W), 255 left out, on the CPU: one copy, not several a frame."""
    if labels.numel() == 0:
        return [torch.zeros(0, dtype=torch.long) for _ in labels]
    there = torch.zeros(len(labels), max(IGNORE, int(labels.max())) + 1, dtype=torch.bool, device=labels.device)
    there.scatter_(1, labels.flatten(1), True)[:, IGNORE] = False
    return [row.nonzero()[:, 0] for row in there.cpu()]
