"""SegFormer's MLP head (`Sec. 3.2 <https://arxiv.org/abs/2105.15203>`_) with DDESeg's settings."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures

from ..decode_heads.dense_head import DenseAVHead, labelled_frames


@MODELS.register_module()
class DDESegHead(DenseAVHead):
    """Maps of four levels → linear layers to ``embed_dims`` channels, resized to the finest, fused, classified.

    Fusing is linear up to its batch norm, so each level goes through the product of its two matrices at its own size and is then
    resized: the same result without a map of 4 · embed_dims channels (at 112×112 and 768 channels, 2 % of the operations).

    Args:
        num_classes: 2 for binary sets, which get one logit.
        in_channels: of the levels, fine to coarse.
        embed_dims: 768 as published.
        dropout: of whole channels, before the classifier.
        loss: config of :class:`RegionLoss`.
    """

    def __init__(self, *, num_classes: int, in_channels: Sequence[int], loss: dict, embed_dims: int = 768,
                 dropout: float = 0.1, init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, init_cfg)
        self.linears = nn.ModuleList([nn.Linear(c, embed_dims) for c in in_channels])
        self.fuse = nn.Conv2d(len(in_channels) * embed_dims, embed_dims, 1, bias=False)  # takes the coarsest level first
        self.norm = nn.BatchNorm2d(embed_dims, eps=1e-3, momentum=0.03)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(embed_dims, self.out_channels, 1)
        self.criterion = MODELS.build(loss)

    def forward(self, features: AVFeatures) -> Tensor:
        """(N, C or 1, h, w) at the size of the finest map."""
        maps = features.maps
        if len(maps) != len(self.linears):
            raise ValueError(f'found {len(maps)} maps, expected {len(self.linears)}')
        parts = self.fuse.weight[:, :, 0, 0].chunk(len(maps), 1)[::-1]
        fused, size = None, maps[0].shape[-2:]
        for x, linear, part in zip(maps, self.linears, parts, strict=True):
            with torch.autocast(x.device.type, enabled=False):  # a product of two rounded matrices would lose more than either
                weight, bias = part @ linear.weight, part @ linear.bias
            x = F.conv2d(x, weight[:, :, None, None], bias)
            x = x if x.shape[-2:] == size else F.interpolate(x, size=size, mode='bilinear', align_corners=False)
            fused = x if fused is None else fused + x
        return self.classify(self.dropout(self.norm(fused).relu()))

    def loss(self, outputs: Tensor, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """Losses over the frames with ground truth."""
        index, labels, _ = labelled_frames(data_samples, outputs.device)
        return self.criterion(outputs[index] if len(index) else outputs, labels)

    def predict(self, outputs: Tensor, data_samples: Sequence[AVDataSample], size: str = 'img') -> list[AVDataSample]:
        """As :meth:`write_predictions`; logits are resized to the input as DDESeg does, corners aligned."""
        outputs = F.interpolate(outputs.float(), size=tuple(data_samples[0].frames[0].img_shape), mode='bilinear',
                                align_corners=True)
        return self.write_predictions(outputs, data_samples, size)
