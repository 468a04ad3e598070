"""Audio-visual Mask2Former head: the decode head of ICF's baseline (docs/en/decisions.md, "Baseline head")."""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures

from ..layers import MLP, init_centred, masked_mean
from .dense_head import labelled_frames


class HeadOutputs(NamedTuple):
    """Predictions of a query head.

    Attributes:
        class_logits: per prediction (N, Q, C+1), no-object last.
        mask_logits: per prediction (N, Q, h, w) at stride 4.
        mask_features: (N, D, h, w) after the interaction.
        queries: (N, Q, D) decoded queries of the last layer, normalised.
        audio_token: (N, D), the decoded audio token.
        clip_index: (N,), the clip of each frame.
    """
    class_logits: list[Tensor]
    mask_logits: list[Tensor]
    mask_features: Tensor
    queries: Tensor
    audio_token: Tensor
    clip_index: Tensor


@MODELS.register_module()
class AVMask2FormerHead(BaseModule):
    """Pixel decoder → bidirectional query decoder → class and mask predictions.

    Args:
        num_classes: C with background as class 0; 2 for binary sets, 71 for AVSS, 22 for VPO.
        embed_dims: D.
        pixel_decoder, decoder, loss: configs; ``embed_dims`` and ``num_classes`` are filled in here, so a config states them once.
        score: how a binary set's sounding score becomes p: 'ratio' s₁/(s₀+s₁), or 'softmax' over the two scores (COMBO).
        audio_embed: what stands for a frame's audio in the contrast: the decoded audio 'token' or the mean of its 'queries'.
    """

    def __init__(self, *, num_classes: int, pixel_decoder: dict, decoder: dict, loss: dict, embed_dims: int = 256,
                 score: str = 'ratio', audio_embed: str = 'token', init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if score not in ('ratio', 'softmax'):
            raise ValueError(f"score must be 'ratio' or 'softmax', got {score!r}")
        if audio_embed not in ('token', 'queries'):
            raise ValueError(f"audio_embed must be 'token' or 'queries', got {audio_embed!r}")
        self.num_classes, self.score, self.audio_embed_kind = num_classes, score, audio_embed
        self.pixel_decoder = MODELS.build(dict(pixel_decoder, embed_dims=embed_dims))
        self.decoder = MODELS.build(dict(decoder, embed_dims=embed_dims))
        self.reads_text = getattr(self.decoder, 'text_attention', False)  # as DenseAVHead's
        self.criterion = MODELS.build(dict(loss, num_classes=num_classes))
        self.query_norm = nn.LayerNorm(embed_dims)
        self.cls_embed = nn.Linear(embed_dims, num_classes + 1)
        self.mask_embed = MLP(embed_dims, embed_dims, embed_dims)
        *hidden, last = (layer for layer in self.mask_embed if isinstance(layer, nn.Linear))
        for layer in hidden:
            init_centred(layer)
        init_centred(last, gain=0.3)  # masks start undecided

    def forward(self, features: AVFeatures) -> HeadOutputs:
        """Predictions after the initial queries and after every layer; in eval mode only the last one."""
        mask_features, memory = self.pixel_decoder(features.maps)
        masks = self.attention_mask(mask_features, memory)
        states = self.decoder(mask_features, memory, features.audio, masks, features.text)
        before, after = states.mask_features
        queries = [self.query_norm(q) for q in states.queries]
        wanted = range(len(queries)) if self.training else [len(queries) - 1]
        class_logits = [self.cls_embed(queries[i][:, :-1]) for i in wanted]
        last = len(queries) - 1
        mask_logits = [self._masks(queries[i][:, :-1], after if i == last else before) for i in wanted]
        return HeadOutputs(class_logits, mask_logits, after, queries[-1][:, :-1], queries[-1][:, -1],
                           features.clip_index)

    def attention_mask(self, mask_features: Tensor, memory: Sequence[Tensor]) -> Callable[[Tensor, tuple[int, int]], Tensor]:
        """Function of queries (N, Q, D) and a level's (h, w) → boolean (N, Q, h·w), True where the query's own mask lies."""
        # Bilinear resizing is linear, so masks for attention are read from resized mask features: no full-size mask is made.
        resized = {tuple(m.shape[-2:]): _resize(mask_features, m.shape[-2:]) for m in memory}

        @torch.no_grad()
        def inside_mask(query: Tensor, shape: tuple[int, int]) -> Tensor:
            inside = self._masks(self.query_norm(query), resized[shape]).flatten(2) > 0  # sigmoid > 0.5
            return inside | ~inside.any(-1, keepdim=True)  # a query that sees nothing looks everywhere

        return inside_mask

    def _masks(self, queries: Tensor, mask_features: Tensor) -> Tensor:
        return torch.einsum('nqd,ndhw->nqhw', self.mask_embed(queries), mask_features)

    # ------------------------------------------------------------------ training

    def loss(self, outputs: HeadOutputs, data_samples: Sequence[AVDataSample]) -> dict[str, Tensor]:
        """L_seg of the frames with ground truth; zero, but connected, where a rank has none."""
        index, labels, clip_ids = labelled_frames(data_samples, outputs.mask_features.device)
        return self.criterion([x[index] for x in outputs.class_logits], [x[index] for x in outputs.mask_logits], labels, clip_ids)

    def embed(self, outputs: HeadOutputs) -> tuple[Tensor, Tensor]:
        """Visual and audio embedding of each frame after the interaction, (N, D) each (supplement item 3).

        Visual: mean of the mask features weighted by 1 − P(background) of the last prediction, detached.
        """
        with torch.no_grad():
            scores = self._scores(outputs.class_logits[-1], outputs.mask_logits[-1])  # (N, C, h, w)
            weight = 1 - scores[:, 0] / scores.sum(1).clamp(min=1e-6)
        visual = masked_mean(outputs.mask_features, weight)
        audio = outputs.audio_token if self.audio_embed_kind == 'token' else outputs.queries.mean(1)
        return visual, audio

    # ------------------------------------------------------------------ inference

    def _scores(self, class_logits: Tensor, mask_logits: Tensor) -> Tensor:
        """Class scores Σ_q p_q(c)·σ(mask_q), (N, C, h, w); no-object is dropped after the softmax."""
        return torch.einsum('nqc,nqhw->nchw', class_logits.softmax(-1)[..., :-1], mask_logits.sigmoid())

    def predict(self, outputs: HeadOutputs, data_samples: Sequence[AVDataSample], size: str = 'img') -> list[AVDataSample]:
        """Writes ``pred_sem_seg`` and, for two classes, ``av_score`` into each frame.

        Args:
            size: 'img' keeps the network's input size (the peers' protocol), 'ori' resizes the scores to the stored frames.
        """
        frames = [frame for sample in data_samples for frame in sample.frames]
        for frame, cls, mask in zip(frames, outputs.class_logits[-1].float(), outputs.mask_logits[-1].float(), strict=True):
            scores = self._scores(cls[None], _resize(mask[None], frame.img_shape))
            if size == 'ori' and tuple(frame.ori_shape) != tuple(frame.img_shape):
                scores = _resize(scores, frame.ori_shape)
            frame.pred_sem_seg = PixelData(data=scores.argmax(1))
            if self.num_classes == 2:
                p = scores[:, 1] / scores.sum(1).clamp(min=1e-12) if self.score == 'ratio' else scores.softmax(1)[:, 1]
                frame.av_score = PixelData(data=p)
        return list(data_samples)


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=False)
