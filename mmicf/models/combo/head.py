"""COMBO's head (`CVPR 2024 <https://arxiv.org/abs/2312.06462>`_): bilateral fusion in front of Mask2Former's decoder."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import ModuleList
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures

from ..decode_heads.av_mask2former_head import AVMask2FormerHead, HeadOutputs
from ..decode_heads.bidirectional_query_decoder import QueryLayer
from ..layers import MLP, sine_positions_2d, split_clips
from ..losses import frame_mean
from .bilateral_fusion import BilateralFusion


@MODELS.register_module()
class COMBOQueryDecoder(nn.Module):
    """Mask2Former's query decoder, D = 256, whose queries start with the sound of their frame.

    Args:
        embed_dims: D.
        num_queries: Q.
        num_layers: levels cycle strides 32, 16, 8.
        num_heads, ffn_dims: of each layer.
        audio_query_layout: 'fixed': all queries of a frame get its own sound. 'released': what the published weights learned with,
            a (N, 1, D) token repeated to (N, Q, D) and read as (Q, N, D): query i of frame j gets the sound of frame
            ⌊(i·N + j) / Q⌋ of the batch, so predictions depend on which clips share it.
    """

    num_levels = 3

    def __init__(self, *, embed_dims: int = 256, num_queries: int = 100, num_layers: int = 9, num_heads: int = 8,
                 ffn_dims: int = 2048, audio_query_layout: str = 'fixed') -> None:
        super().__init__()
        if audio_query_layout not in ('fixed', 'released'):
            raise ValueError(f"audio_query_layout must be 'fixed' or 'released', got {audio_query_layout!r}")
        self.embed_dims, self.num_queries, self.released = embed_dims, num_queries, audio_query_layout == 'released'
        self.query_feat = nn.Embedding(num_queries, embed_dims)
        self.query_embed = nn.Embedding(num_queries, embed_dims)
        self.level_embed = nn.Embedding(self.num_levels, embed_dims)
        self.layers = ModuleList([QueryLayer(embed_dims, num_heads, ffn_dims, False) for _ in range(num_layers)])

    def audio_of_queries(self, audio: Tensor) -> Tensor:
        """(N, D) → (N, Q, D), or (N, 1, D) where all queries of a frame share it."""
        if not self.released:
            return audio[:, None]
        n = len(audio)
        frame = (torch.arange(self.num_queries)[None] * n + torch.arange(n)[:, None]) // self.num_queries  # (N, Q)
        return audio[frame.to(audio.device)]

    def forward(self, memory: Sequence[Tensor], audio: Tensor, attention_mask) -> list[Tensor]:
        """Three maps (N, D, h, w), coarse to fine, and audio (N, D) → queries (N, Q, D) before and after every layer."""
        query_pos = self.query_embed.weight[None]
        query = self.query_feat.weight + self.audio_of_queries(audio)
        shapes = [tuple(x.shape[-2:]) for x in memory]
        tokens = [x.flatten(2).transpose(1, 2) + code for x, code in zip(memory, self.level_embed.weight, strict=True)]
        positions = [sine_positions_2d(*s, self.embed_dims, audio).flatten(2).transpose(1, 2) for s in shapes]
        states = [query]
        for i, layer in enumerate(self.layers):
            level = i % self.num_levels
            mask = attention_mask(query, shapes[level])
            query = layer(query, query_pos, tokens[level], positions[level], mask[:, None], None)
            states.append(query)
        return states


@MODELS.register_module()
class COMBOHead(AVMask2FormerHead):
    """Pixel decoder → bilateral fusion → masked query decoder; reads the audio backbone's tokens as they are.

    Args:
        num_classes, pixel_decoder, decoder, loss, embed_dims, score: as :class:`AVMask2FormerHead`; ``decoder`` is a
            :class:`COMBOQueryDecoder`. The published binary models score by 'softmax'.
        audio_dims: of the audio tokens.
        audio_hidden_dims: of the MLP between fusion and queries.
        consistency_weight: of the adaptive inter-frame consistency loss (Eq. 11); 0 turns it off.
        num_frames: consecutive frames are compared within runs of this many; 5 as published, where the middle pair of a clip of 10
            is left out. None: all pairs.
        audio_embed: 'queries': their mean, or 'token': the fused audio, for ICF's contrast.
    """

    def __init__(self, *, num_classes: int, pixel_decoder: dict, decoder: dict, loss: dict, embed_dims: int = 256,
                 audio_dims: int = 128, audio_hidden_dims: int = 4096, consistency_weight: float = 10.,
                 num_frames: int | None = 5, score: str = 'softmax', audio_embed: str = 'token',
                 init_cfg: dict | None = None) -> None:
        super().__init__(num_classes=num_classes, pixel_decoder=pixel_decoder, decoder=decoder, loss=loss, embed_dims=embed_dims,
                         score=score, audio_embed=audio_embed, init_cfg=init_cfg)
        self.consistency_weight, self.num_frames = consistency_weight, num_frames
        self.fusion = BilateralFusion(embed_dims, audio_dims, embed_dims)
        self.audio_mlp = MLP(audio_dims, audio_hidden_dims, embed_dims)

    def forward(self, features: AVFeatures) -> HeadOutputs:
        """Four maps (N, C_i, H_i, W_i) and audio tokens (N, audio_dims) → what :class:`HeadOutputs` lists; in eval mode only
        the last prediction."""
        mask_features, memory = self.pixel_decoder(features.maps)
        mask_features, audio = self.fusion(mask_features, features.audio)
        audio = self.audio_mlp(audio)
        states = self.decoder(memory, audio, self.attention_mask(mask_features, memory))
        queries = [self.query_norm(q) for q in states]
        wanted = queries if self.training else queries[-1:]
        return HeadOutputs([self.cls_embed(q) for q in wanted], [self._masks(q, mask_features) for q in wanted], mask_features,
                           queries[-1], audio, features.clip_index)

    def loss(self, outputs: HeadOutputs, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """L_seg of the frames with ground truth and ``loss_consistency`` of all frames."""
        losses = super().loss(outputs, data_samples)
        if self.consistency_weight:
            losses['loss_consistency'] = self.consistency_weight * self._consistency(outputs)
        return losses

    def _consistency(self, outputs: HeadOutputs) -> Tensor:
        """Σ over all predictions but the last of the mean over consecutive frames of d·exp(−d), d their cosine distance."""
        runs = split_clips(outputs.clip_index, self.num_frames)
        pairs = (runs[1:] == runs[:-1]).nonzero()[:, 0]
        masks = torch.stack([m.flatten(1) for m in outputs.mask_logits[:-1]]).float()  # (L, N, Q·h·w)
        distance = 1 - F.cosine_similarity(masks[:, pairs], masks[:, pairs + 1], dim=-1)
        return frame_mean((distance * (-distance).exp()).sum(0)) + 0 * masks.sum()
