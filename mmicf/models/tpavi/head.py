"""AVSBench's model (`ECCV 2022 <https://arxiv.org/abs/2207.05042>`_, `IJCV 2024 <https://arxiv.org/abs/2301.13190>`_) as a head."""
from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures
from mmicf.utils.dist import world_size

from ..decode_heads.dense_head import DenseAVHead, labelled_frames
from ..layers import masked_mean, split_clips
from ..losses import frame_cross_entropy, frame_mean
from .attention import TPAVIAttention
from .decoder import DilatedSum, FusionBlock, OutputConv


class TPAVIOutputs(NamedTuple):
    """Logits (N, C, H, W), the four maps after the interaction (N, D, h, w), fine to coarse, and each one's audio (N, D)."""
    logits: Tensor
    maps: list[Tensor]
    audio: list[Tensor]


@MODELS.register_module()
class TPAVIHead(DenseAVHead):
    """Four interactions of pixels and sound, then a coarse-to-fine decoder; reads the audio backbone's tokens as they are.

    Args:
        num_classes: 2 for binary sets, whose one channel goes through a sigmoid.
        in_channels: channels of the four maps, fine to coarse.
        audio_dims: of the audio tokens.
        embed_dims: D.
        inner_dims: of the interaction's projections; D / 2 as published.
        audio_bias: see :class:`TPAVIAttention`; False for the published AVSS model.
        num_frames: pixels hear this many frames of their clip at a time; None: the whole clip. The published AVSS models cut
            clips of 10 into two of 5.
        avm_weight: of the regulariser KL(audio ‖ masked picture); 0 turns it off, as for S4.
        avm_reduction: 'sum' over frames (S4, MS3 as published) or their 'mean' (AVSS).

    The published AVSS model masks the regulariser's picture by its hard prediction, the binary ones by their probability; here the
    number of classes decides which.
    """

    def __init__(self, *, num_classes: int, in_channels: Sequence[int], audio_dims: int = 128, embed_dims: int = 256,
                 inner_dims: int = 128, audio_bias: bool = True, num_frames: int | None = None, avm_weight: float = 0.5,
                 avm_reduction: str = 'sum', init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, init_cfg)
        if avm_reduction not in ('sum', 'mean'):
            raise ValueError(f"avm_reduction must be 'sum' or 'mean', got {avm_reduction!r}")
        if num_frames is not None and num_frames < 1:
            raise ValueError(f'num_frames must be at least 1, got {num_frames}')
        self.num_frames, self.avm_weight, self.avm_reduction = num_frames, avm_weight, avm_reduction
        self.convs = nn.ModuleList([DilatedSum(c, embed_dims) for c in in_channels])
        self.interactions = nn.ModuleList(
            [TPAVIAttention(embed_dims, audio_dims, inner_dims, audio_bias) for _ in in_channels])
        last = len(in_channels) - 1
        self.paths = nn.ModuleList([FusionBlock(embed_dims, skip=i < last) for i in range(len(in_channels))])
        self.output_conv = OutputConv(embed_dims, self.out_channels)

    def forward(self, features: AVFeatures) -> TPAVIOutputs:
        """Four maps (N, C_i, H_i, W_i) and audio tokens (N, audio_dims) → what :class:`TPAVIOutputs` lists, logits four times as
        fine as the finest map."""
        clips = split_clips(features.clip_index, self.num_frames)
        both = [interact(conv(x), features.audio, clips)
                for conv, interact, x in zip(self.convs, self.interactions, features.maps, strict=True)]
        maps, audio = [x for x, _ in both], [a for _, a in both]
        x = maps[-1]
        for i in reversed(range(len(maps))):
            size = maps[i - 1].shape[-2:] if i else [2 * s for s in maps[0].shape[-2:]]
            x = self.paths[i](x, maps[i] if i < len(maps) - 1 else None, size)
        return TPAVIOutputs(self.output_conv(x), maps, audio)

    # ------------------------------------------------------------------ training

    def loss(self, outputs: TPAVIOutputs, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """``loss_seg`` (cross entropy, binary for binary sets) and ``loss_avm``, over the frames with ground truth."""
        index, labels, _ = labelled_frames(data_samples, outputs.logits.device)
        logits = outputs.logits[index].float()
        losses = {'loss_seg': frame_mean(frame_cross_entropy(logits, labels)) + 0 * outputs.logits.sum()}
        if self.avm_weight:
            avm = self._avm(outputs, index)
            # Gradients are averaged over ranks: times their number, the sum is one over all clips.
            losses['loss_avm'] = self.avm_weight * (frame_mean(avm) if self.avm_reduction == 'mean' else world_size() * avm.sum())
        return losses

    def _avm(self, outputs: TPAVIOutputs, index: Tensor) -> Tensor:
        """KL(softmax(audio) ‖ softmax(masked picture)) of frames ``index``, mean over the four maps, (n,).

        The picture is ReLU of the map: the published decoder's first ReLU works in place, on the maps that the regulariser reads.
        """
        logits, out = outputs.logits[index].float(), 0
        if self.out_channels > 1:  # the foreground's share of each cell; the published code takes 70 for background
            logits = (logits.argmax(1, keepdim=True) > 0).float()
        for x, audio in zip(outputs.maps, outputs.audio, strict=True):
            mask = F.adaptive_avg_pool2d(logits, x.shape[-2:])
            mask = mask.sigmoid() if self.out_channels == 1 else mask
            seen = (x[index].float().relu() * mask).mean((2, 3))
            heard = audio[index].float().log_softmax(1)  # not softmax: where that underflows to 0, kl_div's gradient is NaN
            out = out + F.kl_div(seen.log_softmax(1), heard, reduction='none', log_target=True).sum(1)
        return out / len(outputs.maps)

    def embed(self, outputs: TPAVIOutputs) -> tuple[Tensor, Tensor]:
        """Visual and audio embedding (N, D) for ICF (its Table 3): the coarsest map after the interaction under the prediction.

        TPAVI has no audio after the interaction: the coarsest block's audio projection stands for it.
        """
        coarse = outputs.maps[-1]
        return masked_mean(coarse, self.foreground(outputs.logits, coarse.shape[-2:])), outputs.audio[-1]

    # ------------------------------------------------------------------ inference

    def predict(self, outputs: TPAVIOutputs, data_samples: Sequence[AVDataSample], size: str = 'img') -> list[AVDataSample]:
        """As :meth:`write_predictions`."""
        return self.write_predictions(outputs.logits, data_samples, size)
