"""What heads that predict one map of logits per frame have in common."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from torch import Tensor

from mmicf.structures import AVDataSample


def labelled_frames(data_samples: Sequence[AVDataSample], device: torch.device) -> tuple[Tensor, Tensor, list[str]]:
    """The frames with ground truth: their index (n,) among the packed frames, labels (n, H, W) and clip names.

    Without any, labels are (0, 1, 1).
    """
    frames = [frame for sample in data_samples for frame in sample.frames]
    keep = [i for i, frame in enumerate(frames) if frame.has_gt]
    labels = [frames[i].gt_sem_seg.data[0] for i in keep]
    labels = torch.stack(labels).to(device) if keep else torch.zeros(0, 1, 1, dtype=torch.long, device=device)
    return torch.tensor(keep, dtype=torch.long, device=device), labels, [frames[i].clip_id for i in keep]


def not_background(logits: Tensor) -> Tensor:
    """1 − P(background), by a sigmoid where there is one channel, (N, C, h, w) → (N, h, w)."""
    return logits.sigmoid()[:, 0] if logits.shape[1] == 1 else 1 - logits.softmax(1)[:, 0]


class DenseAVHead(BaseModule):
    """Logits (N, C, h, w), of one channel where the set is binary → predictions.

    Args:
        num_classes: with background as class 0; 2 for binary sets, which have the one channel "sounding" here.
    """

    reads_text = False  # a head whose forward uses ``AVFeatures.text`` says True: only then may ICF have text_in_decoder

    def __init__(self, num_classes: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.out_channels = 1 if num_classes == 2 else num_classes

    @torch.no_grad()
    def foreground(self, logits: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """1 − P(background), detached, (N, C, h, w) → (N, h, w), or of another size by adaptive average pooling of the logits."""
        logits = logits.float() if size is None else F.adaptive_avg_pool2d(logits.float(), tuple(size))
        return not_background(logits)

    def write_predictions(self, logits: Tensor, data_samples: Sequence[AVDataSample], size: str = 'img') -> list[AVDataSample]:
        """Writes ``pred_sem_seg`` and, for binary sets, ``av_score`` into each frame.

        Args:
            size: 'img' keeps the network's input size (the peers' protocol), 'ori' resizes the logits to the stored frames.
        """
        frames = [frame for sample in data_samples for frame in sample.frames]
        for frame, x in zip(frames, logits.float(), strict=True):
            x = _resize(x, frame.img_shape)
            if size == 'ori':
                x = _resize(x, frame.ori_shape)
            if self.out_channels == 1:
                frame.av_score = PixelData(data=x.sigmoid())
                frame.pred_sem_seg = PixelData(data=(x > 0).long())
            else:
                frame.pred_sem_seg = PixelData(data=x.argmax(0, keepdim=True))
        return list(data_samples)


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x[None], size=tuple(size), mode='bilinear', align_corners=False)[0]
