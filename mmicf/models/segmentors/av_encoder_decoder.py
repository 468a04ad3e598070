"""Any mmseg backbone and decode head, with sound and ICF: how our parts join someone else's config."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVDataSample, AVFeatures

from ..data_preprocessor import AVDataPreprocessor
from ..decode_heads.dense_head import not_background
from ..layers import masked_mean
from .hearing import HearingMixin


@MODELS.register_module()
class AVEncoderDecoder(HearingMixin, EncoderDecoder):
    """mmseg's EncoderDecoder on packed frames of clips that also have sound; reads mmseg's configs as they are.

    A head of ``out_channels=1`` says by a sigmoid, and its ``threshold``, what sounds.

    Args:
        backbone, decode_head, neck, auxiliary_head, train_cfg, pretrained, init_cfg: as mmseg's.
        test_cfg: ``dict(mode='whole', size='img' | 'ori')``; predictions have the size of the network's input or of the picture.
        data_preprocessor: :class:`AVDataPreprocessor`.
        audio_backbone, audio_neck: as in :class:`AVSegmentor`.
        fusion: :class:`AVFusionNeck`, behind the neck.
        icf: training-only implicit counterfactual learning, or None. Its visual embedding is the mean of the coarsest fused map
            under the head's 1 − P(background), its audio embedding the token that ``fusion`` returns.

    Raises:
        ValueError: a sliding window, another size of predictions, another data preprocessor, or ICF's ``text_in_decoder`` was
            asked for.
    """

    def __init__(self, *, backbone: dict, decode_head: dict, audio_backbone: dict, audio_neck: dict, fusion: dict,
                 data_preprocessor: dict, neck: dict | None = None, auxiliary_head: dict | None = None, icf: dict | None = None,
                 train_cfg: dict | None = None, test_cfg: dict | None = None, pretrained: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(backbone, decode_head, neck, auxiliary_head, train_cfg, test_cfg, data_preprocessor, pretrained, init_cfg)
        if (test_cfg or {}).get('mode', 'whole') != 'whole':
            raise ValueError(f"AVEncoderDecoder tests whole frames, got test_cfg.mode={test_cfg['mode']!r}")
        self.test_size = (test_cfg or {}).get('size', 'img')
        if self.test_size not in ('img', 'ori'):
            raise ValueError(f"AVEncoderDecoder predicts at test_cfg.size='img' or 'ori', got {self.test_size!r}")
        if not isinstance(self.data_preprocessor, AVDataPreprocessor):
            raise ValueError("AVEncoderDecoder packs clips with data_preprocessor=dict(type='mmicf.AVDataPreprocessor'), "
                             f'got {type(self.data_preprocessor).__name__}')
        self.audio_backbone = MODELS.build(audio_backbone)
        self.audio_neck = MODELS.build(audio_neck)
        self.fusion = MODELS.build(fusion)
        self.icf = MODELS.build(icf) if icf is not None else None
        if self.icf is not None and self.icf.text_in_decoder:
            raise ValueError(f'icf has text_in_decoder=True, but {type(self.decode_head).__name__} and every other head of mmseg '
                             'reads maps alone; AVSegmentor with AVMask2FormerHead reads text')

    def _features(self, inputs: AVBatch) -> tuple[AVFeatures, Tensor]:
        """Fused maps with the audio tokens (N, D) before the fusion, and those after it."""
        audio = self.extract_audio(inputs)
        maps, heard = self.fusion(self.extract_feat(inputs.frames), audio)
        return AVFeatures(maps, audio, inputs.clip_index), heard

    def loss(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """Losses of mmseg's heads (scalars, ``decode.*``, ``aux.*``) on the frames with ground truth, and ICF's, ``icf.*``, on all.

        Arguments and errors are those of :meth:`AVSegmentor.loss`.
        """
        features, heard = self._features(inputs)
        maps = features.maps
        logits = self.decode_head(maps)
        frames = [frame for sample in data_samples for frame in sample.frames]
        keep = [i for i, frame in enumerate(frames) if frame.has_gt]
        labelled = [frames[i] for i in keep]
        none = not keep
        if none:  # a rank may have no labelled frame: the same losses as on the others, of a frame without labels, times 0
            shape = (1, *inputs.frames.shape[-2:])
            ignored = torch.full(shape, self.decode_head.ignore_index, device=logits.device)
            keep, labelled = [0], [SegDataSample(gt_sem_seg=PixelData(data=ignored))]
        losses = {f'decode.{k}': v for k, v in self.decode_head.loss_by_feat(logits[keep], labelled).items()}
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train([x[keep] for x in maps], labelled))
        if none:
            losses = {name: 0 * torch.nan_to_num(value) for name, value in losses.items()}
        if self.icf is not None:
            visual = masked_mean(maps[-1], self._foreground(logits, maps[-1].shape[-2:]))
            clip_ids = [sample.clip_id for sample in data_samples]
            losses.update(self.icf.loss(self._shown_to_icf(inputs, features, clip_ids, visual_embed=visual, audio_embed=heard)))
        return losses

    @torch.no_grad()
    def _foreground(self, logits: Tensor, size: Sequence[int]) -> Tensor:
        """1 − P(background) of logits (N, C, H, W) at another size → (N, h, w)."""
        return not_background(F.interpolate(logits.float(), size=tuple(size), mode='bilinear', align_corners=False))

    def _forward(self, inputs: AVBatch, data_samples: Sequence[AVDataSample] | None = None) -> Tensor:
        return self.decode_head(self._features(inputs)[0].maps)

    def predict(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> list[AVDataSample]:
        """Writes ``pred_sem_seg`` and, for two classes, ``av_score`` into each frame: shapes, sizes and errors are those of
        :meth:`AVSegmentor.predict`."""
        logits = self._forward(inputs).float()
        frames = [frame for sample in data_samples for frame in sample.frames]
        for frame, x in zip(frames, logits, strict=True):
            for size in (frame.img_shape, frame.ori_shape) if self.test_size == 'ori' else (frame.img_shape, ):
                x = F.interpolate(x[None], size=tuple(size), mode='bilinear', align_corners=self.align_corners)[0]
            if self.out_channels == 1:
                frame.av_score = PixelData(data=x.sigmoid())
                frame.pred_sem_seg = PixelData(data=(frame.av_score.data > self.decode_head.threshold).long())
                continue
            frame.pred_sem_seg = PixelData(data=x.argmax(0, keepdim=True))
            if self.out_channels == 2:
                frame.av_score = PixelData(data=x.softmax(0)[1:])
        return list(data_samples)
