"""Where a model looks: attention of its queries on the frames, and what stands out of its maps before and after the sound.

Read by forward hooks during one prediction; the model itself is not changed.
"""
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmicf.models.avsegformer.mixer import CrossModalMixer
from mmicf.models.combo.bilateral_fusion import BilateralFusion
from mmicf.models.ddeseg.fusion import FeatureFusion, GatedFusion
from mmicf.models.decode_heads.av_mask2former_head import HeadOutputs
from mmicf.models.decode_heads.bidirectional_query_decoder import BidirectionalQueryDecoder, DecoderStates, QueryLayer
from mmicf.models.layers import MultiHeadAttention
from mmicf.models.necks import AVFusionNeck
from mmicf.models.tpavi.attention import TPAVIAttention
from mmicf.structures import AVBatch, AVDataSample

# Modules in which sound reaches a map: it comes in as the first map among the inputs and leaves as the first among the outputs, or
# as tokens of all pixels (DDESeg's).
FUSIONS = (BidirectionalQueryDecoder, BilateralFusion, CrossModalMixer, TPAVIAttention, AVFusionNeck, FeatureFusion, GatedFusion)


class LookedAt(NamedTuple):
    """Maps of the frames of a batch; all are scaled so that 1 is the mean over a frame or clip.

    Attributes:
        queries: per decoder layer (N, h, w): attention of the queries, mean over heads, weighted by each query's probability of a
            sounding class (neither background nor no-object); empty for models without masked query attention.
        token: per decoder layer (N, h, w): attention of the audio token, which no mask restricts; empty where there is none.
        before, after: (N, h, w), distance of each pixel's feature from its clip's mean feature before and after the sound joins.
    """
    queries: list[Tensor]
    token: list[Tensor]
    before: Tensor
    after: Tensor


def attention_weights(module: MultiHeadAttention, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    """(N, L, S) weights of an attention block, mean over heads; rows sum to 1. Inputs as of its ``forward``."""
    query, key = module._split(module.query(query)), module._split(module.key(key))
    logits = query @ key.transpose(-1, -2) / query.shape[-1]**0.5
    if mask is not None:
        logits = logits.masked_fill(~mask, float('-inf'))
    return logits.softmax(-1).mean(1)


def fusion_names(model: nn.Module) -> list[str]:
    """Names of the modules in which sound reaches a map, fine to coarse or first to last.

    Raises:
        ValueError: none of the known kinds.
    """
    names = [name for name, module in model.named_modules() if isinstance(module, FUSIONS)]
    if not names:
        raise ValueError(f'{type(model).__name__}: found no module that brings sound to a map, expected one of '
                         f'{[kind.__name__ for kind in FUSIONS]}')
    return names


class _Record:
    """What the hooks caught."""

    def __init__(self) -> None:
        self.weights, self.shapes, self.outputs, self.before, self.after = [], [], None, None, None

    def attention(self, module: nn.Module, inputs: tuple) -> None:
        query, key, _, mask = inputs
        self.weights.append(attention_weights(module, query, key, mask))

    def memory(self, module: nn.Module, inputs: tuple, output: tuple) -> None:
        self.shapes = [tuple(x.shape[-2:]) for x in output[1]]

    def head(self, module: nn.Module, inputs: tuple, output) -> None:
        self.outputs = output

    def fusion(self, module: nn.Module, inputs: tuple, output) -> None:
        if isinstance(module, (FeatureFusion, GatedFusion)):
            self.before, self.after = inputs[0], output
            return
        self.before = _first_map(inputs)
        self.after = output.mask_features[1] if isinstance(output, DecoderStates) else _first_map([output])


@contextmanager
def _recording(model: nn.Module, fusion: str) -> Iterator[_Record]:
    record, head = _Record(), model.decode_head
    hooks = [model.get_submodule(fusion).register_forward_hook(record.fusion), head.register_forward_hook(record.head)]
    layers = [module for module in head.modules() if isinstance(module, QueryLayer)]
    hooks += [layer.cross_attn.register_forward_pre_hook(record.attention) for layer in layers]
    if hasattr(head, 'pixel_decoder'):
        hooks.append(head.pixel_decoder.register_forward_hook(record.memory))
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def look(model: nn.Module, inputs: AVBatch, data_samples: Sequence[AVDataSample],
         fusion: str) -> tuple[LookedAt, list[AVDataSample]]:
    """One prediction of a preprocessed batch, and where the model looked for it.

    Args:
        model: a segmentor in eval mode.
        inputs, data_samples: the batch.
        fusion: which of :func:`fusion_names` ``before`` and ``after`` are of.
    """
    with _recording(model, fusion) as record:
        predicted = model(inputs, data_samples, mode='predict')
    queries, token = [], []
    if record.weights and isinstance(record.outputs, HeadOutputs):
        sounding = 1 - record.outputs.class_logits[-1].softmax(-1)[..., [0, -1]].sum(-1)  # (N, Q)
        share = sounding / sounding.sum(1, keepdim=True).clamp(min=1e-12)
        count = sounding.shape[1]
        for i, weights in enumerate(record.weights):
            shape = record.shapes[i % len(record.shapes)]
            cells = shape[0] * shape[1]
            queries.append((share[:, None] @ weights[:, :count]).unflatten(-1, shape)[:, 0] * cells)
            if weights.shape[1] > count:
                token.append(weights[:, count].unflatten(-1, shape) * cells)
    before, after = (standing_out(_as_map(x, inputs.frames.shape[-2:]), inputs.clip_index) for x in (record.before, record.after))
    return LookedAt(queries, token, before, after), predicted


def standing_out(maps: Tensor, clip_index: Tensor) -> Tensor:
    """(N, C, h, w) → (N, h, w): distance of each pixel from the mean over its clip's pixels, over the clip's mean distance."""
    out = torch.empty_like(maps[:, 0])
    for clip in clip_index.unique():
        mine = maps[clip_index == clip]
        distance = (mine - mine.mean((0, 2, 3), keepdim=True)).norm(dim=1)
        out[clip_index == clip] = distance / distance.mean().clamp(min=1e-12)
    return out


def _as_map(x: Tensor, size: Sequence[int]) -> Tensor:
    """Tokens (N, S, C) of all pixels as a map of the frames' shape ``size``; maps stay."""
    if x.dim() == 4:
        return x
    height = round((x.shape[1] * size[0] / size[1])**0.5)
    return x.transpose(1, 2).unflatten(2, (height, -1))


def _first_map(items: Iterable) -> Tensor | None:
    for item in items:
        if isinstance(item, Tensor) and item.dim() == 4:
            return item
        if isinstance(item, (list, tuple)):
            found = _first_map(item)
            if found is not None:
                return found
    return None
