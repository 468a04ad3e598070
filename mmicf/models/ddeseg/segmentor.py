"""DDESeg (`CVPR 2025 <https://arxiv.org/abs/2503.12840>`_): the sound enters the picture's encoder."""
from collections.abc import Sequence

import torch
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVDataSample, AVFeatures

from ..decode_heads.dense_head import labelled_frames
from ..segmentors import AVSegmentor
from .memory_file import backbone_settings


@MODELS.register_module()
class DDESeg(AVSegmentor):
    """Sound → derived sounds → encoder that hears → mask. Frames are independent of each other.

    Args:
        data_preprocessor, audio_backbone, decode_head, test_cfg: as :class:`AVSegmentor`'s.
        backbone: :class:`DDESegBackbone`.
        derivation: :class:`DynamicDerivation`; None gives the encoder the audio feature as its only sound (Table 3, baseline).
    """

    converter_may_miss = ('derivation.memory.', )  # the released weights hold no memory; the published bank is a file of its own

    def __init__(self, *, data_preprocessor: dict, backbone: dict, audio_backbone: dict, decode_head: dict,
                 derivation: dict | None, test_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, backbone=backbone, audio_backbone=audio_backbone,
                         decode_head=decode_head, test_cfg=test_cfg, init_cfg=init_cfg)
        self.derivation = MODELS.build(derivation) if derivation is not None else None
        if derivation is not None:  # distances to another backbone's features say nothing
            self.derivation.memory.backbone = backbone_settings(self.audio_backbone)

    def extract_feat(self, inputs: AVBatch, frames: Tensor | None = None) -> AVFeatures:
        """Maps and the mean of the sounds that are left, of all frames or of those of index ``frames`` (n,)."""
        if frames is not None:
            inputs = self._of_frames(inputs, frames)
        audio = self.extract_audio(inputs)
        sounds = audio[:, None] if self.derivation is None else self.derivation(audio)
        maps, sounds = self.backbone(inputs.frames, sounds)
        return AVFeatures(maps, sounds.mean(1), inputs.clip_index)

    def _of_frames(self, inputs: AVBatch, frames: Tensor) -> AVBatch:
        """The frames of index ``frames`` (n,) as clips of one frame, so that the audio backbone hears no other second."""
        if 'waveform' in self.audio_backbone.input_fields and inputs.waveform is not None:
            seconds = self.audio_backbone.cut(inputs.waveform, inputs.sample_rate, inputs.clip_index)[frames]
            sound = dict(waveform=list(seconds), sample_rate=[inputs.sample_rate[0]] * len(frames))
        else:
            sound = dict(log_mel=None if inputs.log_mel is None else inputs.log_mel[frames])
        return inputs._replace(frames=inputs.frames[frames], clip_index=torch.arange(len(frames), device=frames.device), **sound)

    def loss(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """Only labelled frames go through the network: one of five in S4, as in DDESeg's own frame-wise sets."""
        index, labels, _ = labelled_frames(data_samples, inputs.frames.device)
        shown = index if len(index) else index.new_zeros(1)
        return self.decode_head.criterion(self.decode_head(self.extract_feat(inputs, shown)), labels)
