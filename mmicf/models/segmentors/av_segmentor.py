"""The audio-visual segmentor: reads like the paper's figure 2."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVDataSample, AVFeatures
from mmicf.utils.dist import reduce_log_vars


@MODELS.register_module()
class AVSegmentor(BaseModel):
    """Frames and their sound → masks of what sounds.

    Args:
        data_preprocessor, backbone, audio_backbone, audio_neck, neck, decode_head: configs of the parts. The audio backbone reads
            the fields of :class:`AVBatch` that its ``input_fields`` names.
        icf: training-only implicit counterfactual learning, or None.
        test_cfg: ``dict(size='img' | 'ori')``, the size of predictions.
    """

    def __init__(self, *, data_preprocessor: dict, backbone: dict, audio_backbone: dict, audio_neck: dict, decode_head: dict,
                 neck: dict | None = None, icf: dict | None = None, test_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        test_cfg = dict(test_cfg or {})
        self.test_size = test_cfg.pop('size', 'img')
        if test_cfg or self.test_size not in ('img', 'ori'):
            raise ValueError(f"test_cfg takes size='img' or 'ori', got size={self.test_size!r} and {test_cfg}")
        self.backbone = MODELS.build(backbone)
        self.audio_backbone = MODELS.build(audio_backbone)
        self.audio_neck = MODELS.build(audio_neck)
        self.neck = MODELS.build(neck) if neck is not None else None
        self.decode_head = MODELS.build(decode_head)
        self.icf = MODELS.build(icf) if icf is not None else None

    def extract_audio(self, inputs: AVBatch) -> Tensor:
        """(N, D) audio tokens, one per frame."""
        fields = {name: getattr(inputs, name) for name in self.audio_backbone.input_fields}
        missing = [name for name, value in fields.items() if value is None]
        if missing:
            raise ValueError(f'{type(self.audio_backbone).__name__} needs {missing} in the batch; '
                             'the data pipeline did not pack them')
        return self.audio_neck(self.audio_backbone(**fields), inputs.clip_index)

    def extract_feat(self, inputs: AVBatch) -> AVFeatures:
        maps, context = self.backbone(inputs.frames), None
        if self.neck is not None:
            maps, context = self.neck(maps, inputs.clip_index)
        return AVFeatures(maps, self.extract_audio(inputs), inputs.clip_index, context)

    def forward(self, inputs: AVBatch, data_samples: Sequence[AVDataSample] | None = None, mode: str = 'tensor'):
        """mmengine's three modes: 'loss' → dict, 'predict' → list of AVDataSample, 'tensor' → the head's outputs."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.decode_head(self.extract_feat(inputs))
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def loss(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        features = self.extract_feat(inputs)
        outputs = self.decode_head(features)
        losses = self.decode_head.loss(outputs, data_samples)
        if self.icf is not None:
            losses.update(self.icf.loss(features, self.decode_head.embed(outputs), inputs, data_samples))
        return losses

    def predict(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> list[AVDataSample]:
        outputs = self.decode_head(self.extract_feat(inputs))
        return self.decode_head.predict(outputs, data_samples, self.test_size)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As mmengine's, with the logged values averaged over ranks (mmengine logs rank 0's only)."""
        total, log_vars = super().parse_losses(losses)
        return total, reduce_log_vars(log_vars)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
