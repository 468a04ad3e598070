"""The audio-visual segmentor: reads like the paper's figure 2."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVDataSample, AVFeatures

from .hearing import HearingMixin


@MODELS.register_module()
class AVSegmentor(HearingMixin, BaseModel):
    """Frames and their sound → masks of what sounds.

    Args:
        data_preprocessor, backbone, audio_backbone, audio_neck, neck, decode_head: configs of the parts. The audio backbone reads
            the fields of :class:`AVBatch` that its ``input_fields`` names. Without an audio neck its tokens go to the head.
        icf: training-only implicit counterfactual learning, or None.
        test_cfg: ``dict(size='img' | 'ori')``, the size of predictions.

    Raises:
        ValueError: another size, or ICF's ``text_in_decoder`` for a head that does not say ``reads_text``.
    """

    def __init__(self, *, data_preprocessor: dict, backbone: dict, audio_backbone: dict, decode_head: dict,
                 audio_neck: dict | None = None, neck: dict | None = None, icf: dict | None = None, test_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        test_cfg = dict(test_cfg or {})
        self.test_size = test_cfg.pop('size', 'img')
        if test_cfg or self.test_size not in ('img', 'ori'):
            raise ValueError(f"test_cfg takes size='img' or 'ori', got size={self.test_size!r} and {test_cfg}")
        self.backbone = MODELS.build(backbone)
        self.audio_backbone = MODELS.build(audio_backbone)
        self.audio_neck = MODELS.build(audio_neck) if audio_neck is not None else None
        self.neck = MODELS.build(neck) if neck is not None else None
        self.decode_head = MODELS.build(decode_head)
        self.icf = MODELS.build(icf) if icf is not None else None
        if self.icf is not None and self.icf.text_in_decoder and not getattr(self.decode_head, 'reads_text', False):
            raise ValueError(f'icf has text_in_decoder=True, but {type(self.decode_head).__name__} reads no text; '
                             'AVMask2FormerHead does with decoder.text_attention=True')

    def extract_maps(self, inputs: AVBatch) -> Sequence[Tensor]:
        """Visual maps at strides 4, 8, 16, 32, each (N, C_i, H_i, W_i)."""
        return self.backbone(inputs.frames)

    def extract_feat(self, inputs: AVBatch) -> AVFeatures:
        """Maps (N, C_i, H_i, W_i) at strides 4, 8, 16, 32 and audio tokens (N, D): what the head reads.

        Raises:
            ValueError: the batch lacks what the audio backbone reads.
        """
        maps, context = self.extract_maps(inputs), None
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
            return self._decode(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    @torch.compiler.disable(recursive=False)  # traced (torch 2.11), ICFInputs arrives with fields missing
    def loss(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """The head's losses ``loss_*`` of the frames with ground truth, ICF's ``icf.loss_*`` of all, and ``icf.*`` to log; scalars.

        Args:
            inputs: N frames of B clips, as :class:`AVDataPreprocessor` packs them.
            data_samples: B clips; frames with ``has_gt`` hold ``gt_sem_seg`` (1, H, W).

        Raises:
            ValueError: the batch lacks what the audio backbone reads.
        """
        features = self.extract_feat(inputs)
        if self.icf is None:
            return self.decode_head.loss(self.decode_head(features), data_samples)
        shown = self._shown_to_icf(inputs, features, [sample.clip_id for sample in data_samples])
        generated = self.icf.generate(shown)
        if self.icf.text_in_decoder:
            features = features._replace(text=self.icf.decoder_text(generated.text, features.clip_index))
        outputs = self.decode_head(features)
        losses = self.decode_head.loss(outputs, data_samples)
        counterfactual = self.icf.decoder_counterfactual(generated, features.clip_index)
        if counterfactual is not None:
            worse = self.decode_head.loss(self.decode_head(features._replace(text=counterfactual)), data_samples)
            losses.update(self.icf.hinge(_total(losses), _total(worse)))
        visual, audio = self.decode_head.embed(outputs)
        losses.update(self.icf.loss(shown._replace(visual_embed=visual, audio_embed=audio), generated))
        return losses

    def predict(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> list[AVDataSample]:
        """Writes ``pred_sem_seg`` (1, H, W) and, for two classes, ``av_score`` (1, H, W) in [0, 1] into each frame of the B clips,
        at the size of the network's input or, with ``test_cfg.size='ori'``, of the stored frames.

        Raises:
            ValueError: the batch lacks what the audio backbone reads.
        """
        return self.decode_head.predict(self._decode(inputs), data_samples, self.test_size)

    def _decode(self, inputs: AVBatch):
        """Outputs of the head; ICF runs only where the decoder reads its text."""
        features = self.extract_feat(inputs)
        if self.icf is not None and self.icf.text_in_decoder:
            text, *_ = self.icf.factual_text(self._shown_to_icf(inputs, features, ()))
            features = features._replace(text=self.icf.decoder_text(text, features.clip_index))
        return self.decode_head(features)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def _total(losses: dict[str, Tensor]) -> Tensor:
    return sum(value for name, value in losses.items() if 'loss' in name)
