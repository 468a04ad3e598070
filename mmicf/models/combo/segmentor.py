"""COMBO's siamese encoder (`Sec. 3.2 <https://arxiv.org/abs/2312.06462>`_) in front of an audio-visual head."""
from collections.abc import Sequence

from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import AVBatch

from ..segmentors import AVSegmentor


class SqueezeExcite(nn.Module):
    """Gate of a map's channels, (N, C, h, w) → (N, C, 1, 1) in (0, 1)."""

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // ratio)
        self.fc2 = nn.Linear(channels // ratio, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, 1, 1)."""
        return self.fc2(self.fc1(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]


@MODELS.register_module()
class COMBO(AVSegmentor):
    """:class:`AVSegmentor` whose maps also carry those of the frames' maskiges: image + gate ⊙ maskige.

    Args:
        maskige_encoder: config of the maskiges' own backbone; ``'shared'``: the backbone sees both; None: no maskiges.
        maskige_channels: channels of the four maps; needed with maskiges.
        The others as :class:`AVSegmentor`.

    Raises:
        ValueError: maskiges without ``maskige_channels``, or a batch without maskiges for a model that sees them.
    """

    def __init__(self, *, data_preprocessor: dict, backbone: dict, audio_backbone: dict, decode_head: dict,
                 maskige_encoder: dict | str | None = None, maskige_channels: Sequence[int] | None = None,
                 audio_neck: dict | None = None, neck: dict | None = None, icf: dict | None = None, test_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, backbone=backbone, audio_backbone=audio_backbone, neck=neck,
                         audio_neck=audio_neck, decode_head=decode_head, icf=icf, test_cfg=test_cfg, init_cfg=init_cfg)
        if isinstance(maskige_encoder, str) and maskige_encoder != 'shared':
            raise ValueError(f"maskige_encoder must be a config, 'shared' or None, got {maskige_encoder!r}")
        if maskige_encoder is not None and maskige_channels is None:
            raise ValueError('a model that sees maskiges needs maskige_channels, the channels of the four maps')
        self.sees_maskiges = maskige_encoder is not None
        # 'backbone' in the name: the optimizer's rate of the backbone holds for both, as published
        self.maskige_backbone = MODELS.build(maskige_encoder) if isinstance(maskige_encoder, dict) else None
        self.maskige_gates = nn.ModuleList([SqueezeExcite(c) for c in maskige_channels] if self.sees_maskiges else [])

    def extract_maps(self, inputs: AVBatch) -> Sequence[Tensor]:
        """As :meth:`AVSegmentor.extract_maps`, with the maps of the maskiges (N, 3, H, W) added."""
        maps = super().extract_maps(inputs)
        if not self.sees_maskiges:
            return maps
        if inputs.maskiges is None:
            raise ValueError('the model sees maskiges and the batch has none; put LoadMaskiges into the data pipeline')
        encoder = self.backbone if self.maskige_backbone is None else self.maskige_backbone
        return [x + gate(y) * y for x, y, gate in zip(maps, encoder(inputs.maskiges), self.maskige_gates, strict=True)]
