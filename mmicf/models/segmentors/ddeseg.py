"""DDESeg (`CVPR 2025 <https://arxiv.org/abs/2503.12840>`_): the sound enters the picture's encoder."""
from collections.abc import Sequence

from torch import Tensor

from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVDataSample, AVFeatures

from ..decode_heads.dense_head import labelled_frames
from .av_segmentor import AVSegmentor


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

    def extract_feat(self, inputs: AVBatch, frames: Tensor | None = None) -> AVFeatures:
        """Maps and the mean of the sounds that are left, of all frames or of those of index ``frames`` (n,)."""
        audio, pictures, clip_index = self.extract_audio(inputs), inputs.frames, inputs.clip_index
        if frames is not None:
            audio, pictures, clip_index = audio[frames], pictures[frames], clip_index[frames]
        sounds = audio[:, None] if self.derivation is None else self.derivation(audio)
        maps, sounds = self.backbone(pictures, sounds)
        return AVFeatures(maps, sounds.mean(1), clip_index)

    def loss(self, inputs: AVBatch, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """Only labelled frames go through the network: one of five in S4, as in DDESeg's own frame-wise sets."""
        index, labels, _ = labelled_frames(data_samples, inputs.frames.device)
        shown = index if len(index) else index.new_zeros(1)
        return self.decode_head.criterion(self.decode_head(self.extract_feat(inputs, shown)), labels)
