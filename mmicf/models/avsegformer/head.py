"""Decode head of AVSegFormer."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures

from ..decode_heads.dense_head import DenseAVHead, labelled_frames
from ..layers import MSDeformAttention, conv_of_upsampled, masked_mean
from ..losses import frame_cross_entropy, frame_mean
from .losses import squared_dice
from .mixer import CrossModalMixer
from .query_generator import QueryGenerator
from .transformer import AVSegFormerTransformer


class AVSegFormerOutputs(NamedTuple):
    """Predictions of the head.

    Attributes:
        logits: (N, 1 or C, H, W), four times as fine as the finest map: the size of the frames.
        mask_feature: (N, D, h, w) at stride 4, after the mixer.
        queries: (N, Q, D) of the last decoder layer.
    """
    logits: Tensor
    mask_feature: Tensor
    queries: Tensor


class _QueryMLP(nn.Module):
    """Three 1×1 convolutions over the queries' masks, (N, Q, h, w) → (N, D, h, w), with ReLU between them."""

    def __init__(self, num_queries: int, hidden_dims: int, embed_dims: int) -> None:
        super().__init__()
        widths = [num_queries, hidden_dims, hidden_dims, embed_dims]
        self.layers = nn.ModuleList([nn.Conv2d(widths[i], widths[i + 1], 1) for i in range(3)])

    def forward(self, queries: Tensor, feature: Tensor) -> Tensor:
        """Masks are Σ_d q·feature; they and the first convolution are linear, so the queries go through its weights instead:
        the (N, Q, h, w) masks are never made."""
        first, *others = self.layers
        weight = first.weight.flatten(1) @ queries  # (N, hidden, D)
        x = torch.baddbmm(first.bias, feature.flatten(2).transpose(1, 2), weight.transpose(1, 2))  # (N, h·w, hidden)
        for layer in others:
            x = F.linear(x.relu_(), layer.weight.flatten(1), layer.bias)
        return x.transpose(1, 2).unflatten(2, feature.shape[-2:])


class _OutputConv(nn.Sequential):
    """(N, D, h, w) → logits (N, out, 4h, 4w)."""

    def __init__(self, embed_dims: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(embed_dims, embed_dims // 2, 3, padding=1), nn.Upsample(scale_factor=4, mode='bilinear'),
            nn.Conv2d(embed_dims // 2, embed_dims // 8, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(embed_dims // 8, out_channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """As the layers one after another; the second and third in one."""
        return self[4](self[3](conv_of_upsampled(self[0](x), self[2], int(self[1].scale_factor))))


@MODELS.register_module()
class AVSegFormerHead(DenseAVHead):
    """Audio-conditioned queries, deformable encoder, decoder and audio-visual mixer of
    `AVSegFormer <https://arxiv.org/abs/2307.01146>`_.

    Frames are independent of each other. The published ``fpn`` and ``attn_fc``, which no output depends on, are not built.
    Tensor names are the published ones (:func:`released_name`).

    Args:
        num_classes: with background as class 0; 2 for binary sets.
        in_channels: of the maps at strides 4, 8, 16, 32.
        audio_dims: width of the audio tokens; VGGish's 128.
        embed_dims: D, a multiple of 32 (GroupNorm).
        num_queries: Q.
        num_layers: of query generator, encoder and decoder each.
        ffn_dims: hidden width of encoder and decoder layers and of the query MLP; half of it in the query generator.
        dropout: in encoder and decoder.
        mix_weight: of ``loss_mix``.

    Raises:
        ValueError: another number of maps, or ``embed_dims`` that GroupNorm cannot part.
    """

    def __init__(self, *, num_classes: int, in_channels: Sequence[int], audio_dims: int = 128, embed_dims: int = 256,
                 num_queries: int = 300, num_layers: int = 6, ffn_dims: int = 2048, dropout: float = 0.1, mix_weight: float = 0.1,
                 init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, init_cfg)
        if len(in_channels) != 4:
            raise ValueError(f'in_channels must name the maps at strides 4, 8, 16, 32, got {list(in_channels)}')
        if embed_dims % 32:
            raise ValueError(f'embed_dims must be a multiple of 32, got {embed_dims}')
        self.mix_weight = mix_weight
        self.level_embed = nn.Parameter(torch.empty(3, embed_dims))
        self.learnable_query = nn.Embedding(num_queries, embed_dims)
        self.query_generator = QueryGenerator(
            num_queries=num_queries, embed_dims=embed_dims, num_layers=num_layers, ffn_dims=ffn_dims // 2)
        self.transformer = AVSegFormerTransformer(
            embed_dims=embed_dims, num_layers=num_layers, ffn_dims=ffn_dims, dropout=dropout)
        self.in_proj = nn.ModuleList([_conv_norm(c, embed_dims, 1) for c in in_channels])
        self.lateral_conv = _conv_norm(embed_dims, embed_dims, 1)
        self.out_conv = nn.Sequential(*_conv_norm(embed_dims, embed_dims, 3), nn.ReLU(inplace=True))
        self.fusion_block = CrossModalMixer(embed_dims=embed_dims)
        self.mlp = _QueryMLP(num_queries, ffn_dims, embed_dims)
        self.fc = _OutputConv(embed_dims, self.out_channels)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for module in self.modules():
            if isinstance(module, MSDeformAttention):
                module.reset_parameters()
        nn.init.normal_(self.level_embed)
        self.audio_proj = nn.Linear(audio_dims, embed_dims)

    def forward(self, features: AVFeatures) -> AVSegFormerOutputs:
        """Four maps (N, C_i, H_i, W_i) and audio tokens (N, audio_dims) → what :class:`AVSegFormerOutputs` lists."""
        audio = self.audio_proj(features.audio)
        maps = [proj(x) for proj, x in zip(self.in_proj, features.maps, strict=True)]
        query = self.query_generator(audio) + self.learnable_query.weight
        encoded, queries = self.transformer(maps[1:], self.level_embed, query)
        fine = self.lateral_conv(maps[0])
        fine = fine + F.interpolate(encoded[0], size=fine.shape[-2:], mode='bilinear', align_corners=False)
        mask_feature = self.fusion_block(self.out_conv(fine), audio)
        return AVSegFormerOutputs(self.fc(mask_feature + self.mlp(queries, mask_feature)), mask_feature, queries)

    def loss(self, outputs: AVSegFormerOutputs, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """Dice (binary sets) or cross-entropy of the frames with ground truth, and Dice of the mask feature's channel mean
        against what sounds (Sec. 3.5). Zero, but connected, where a rank has no such frame."""
        index, labels, _ = labelled_frames(data_samples, outputs.logits.device)
        main = squared_dice if self.out_channels == 1 else frame_cross_entropy
        mixed = outputs.mask_feature.mean(1, keepdim=True)
        return dict(
            loss_seg=frame_mean(main(outputs.logits[index], labels)),
            loss_mix=self.mix_weight * frame_mean(squared_dice(mixed[index], labels)))

    def embed(self, outputs: AVSegFormerOutputs) -> tuple[Tensor, Tensor]:
        """Visual and audio embedding of each frame after the interaction, (N, D) each (ICF, supplement item 3).

        Visual: mean of the mask feature under the predicted foreground, detached. Audio: mean of the decoded queries.
        """
        weight = self.foreground(outputs.logits, outputs.mask_feature.shape[-2:])
        return masked_mean(outputs.mask_feature, weight), outputs.queries.mean(1)

    def predict(self, outputs: AVSegFormerOutputs, data_samples: Sequence[AVDataSample], size: str = 'img') -> list[AVDataSample]:
        """Writes ``pred_sem_seg`` and, for two classes, ``av_score`` into each frame."""
        return self.write_predictions(outputs.logits, data_samples, size)


def _conv_norm(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), nn.GroupNorm(32, out_channels))
