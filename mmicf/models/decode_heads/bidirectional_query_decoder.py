"""Query decoder with bridges in both directions (ICF Sec. 3, supplement item 4; docs/en/decisions.md, "Bidirectional queries").

Queries read the visual tokens through masked cross-attention (`Mask2Former <https://arxiv.org/abs/2112.01527>`_), then the visual
tokens read the updated queries: audio, which enters through the queries, also reaches the pixels.
"""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.structures import DecoderText

from ..layers import FFN, MultiHeadAttention, sine_positions_2d

# Background and what sounds are masks of one frame that read the same audio, each the other's opposite. As far as two queries
# answer to audio alike, their gradients on the shared mask embedding cancel; a query that outweighs the audio token (of unit
# variance) opens units of its own (docs/en/decisions.md, "Random start").
QUERY_STD = 2.5


class DecoderStates(NamedTuple):
    """What each prediction of the decoder is made from.

    Attributes:
        queries: per prediction (N, Q + 1, D); the last row is the audio token.
        mask_features: (N, D, H/4, W/4) for all predictions but the last, and after the final bridge for the last.
    """
    queries: list[Tensor]
    mask_features: tuple[Tensor, Tensor]


class QueryLayer(nn.Module):
    """Post-norm: masked cross-attention to visual tokens, to text where there is any, self-attention, feed-forward."""

    def __init__(self, embed_dims: int, num_heads: int, ffn_dims: int, text_attention: bool) -> None:
        super().__init__()
        self.text_attn = MultiHeadAttention(embed_dims, num_heads) if text_attention else None
        if text_attention:
            self.text_norm = nn.LayerNorm(embed_dims)
        self.cross_attn = MultiHeadAttention(embed_dims, num_heads)
        self.self_attn = MultiHeadAttention(embed_dims, num_heads)
        self.ffn = FFN(embed_dims, ffn_dims)
        self.norms = ModuleList([nn.LayerNorm(embed_dims) for _ in range(3)])

    def forward(self, query: Tensor, query_pos: Tensor, memory: Tensor, memory_pos: Tensor, mask: Tensor,
                text: DecoderText | None) -> Tensor:
        """Queries (N, Q, D) and S pixels (N, S, D), each with codes that broadcast to it, and ``mask`` (N, 1, Q, S), True where a
        query may look → queries (N, Q, D)."""
        out = self.cross_attn(query + query_pos, memory + memory_pos, memory, mask)
        query = self.norms[0](query + out)
        if self.text_attn is not None:
            # A token of weight w counts as w of a token, one of weight 0 not at all.
            weight = text.weight.clamp(min=torch.finfo(text.weight.dtype).tiny).log().to(query.dtype)
            tokens = text.tokens.to(query.dtype)
            query = self.text_norm(query + self.text_attn(query + query_pos, tokens, tokens, weight[:, None, None]))
        where = query + query_pos
        query = self.norms[1](query + self.self_attn(where, where, query))
        return self.norms[2](query + self.ffn(query))


class _Bridge(nn.Module):
    """Visual tokens ← queries: pre-norm, so that mask features stay in the space that the mask embeddings point into."""

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.attn = MultiHeadAttention(embed_dims, num_heads)
        self.norm = nn.LayerNorm(embed_dims)

    def forward(self, tokens: Tensor, position: Tensor, query: Tensor, query_pos: Tensor) -> Tensor:
        return tokens + self.attn(self.norm(tokens) + position, query + query_pos, query)


@MODELS.register_module()
class BidirectionalQueryDecoder(BaseModule):
    """Decodes Q object queries and one audio token per frame against three levels of visual memory.

    The audio token of its own frame is added to every query and also appended as token Q+1, which attends like the rest but
    predicts no mask.

    Args:
        embed_dims: D.
        num_queries: Q.
        num_layers: L; levels cycle strides 32, 16, 8.
        num_heads, ffn_dims: of each layer.
        reverse_bridge: visual tokens read the queries after each layer, and the mask features read them at the end. A bridge
            whose level is not visited again would be dead, so the last three layers have none.
        text_attention: queries also read text (ICF's Table 2, rows MIT and MIT + SC).
    """

    num_levels = 3

    def __init__(self, *, embed_dims: int = 256, num_queries: int = 100, num_layers: int = 6, num_heads: int = 8,
                 ffn_dims: int = 2048, reverse_bridge: bool = True, text_attention: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.embed_dims, self.num_queries, self.num_heads = embed_dims, num_queries, num_heads
        self.text_attention = text_attention
        self.query_feat = nn.Embedding(num_queries, embed_dims)
        nn.init.normal_(self.query_feat.weight, std=QUERY_STD)
        self.query_embed = nn.Embedding(num_queries + 1, embed_dims)
        self.level_embed = nn.Embedding(self.num_levels, embed_dims)
        self.layers = ModuleList([QueryLayer(embed_dims, num_heads, ffn_dims, text_attention) for _ in range(num_layers)])
        self.bridges = ModuleList()
        if reverse_bridge:
            self.bridges.extend(_Bridge(embed_dims, num_heads) for _ in range(num_layers - self.num_levels))
            self.mask_bridge = _Bridge(embed_dims, num_heads)
        else:
            self.mask_bridge = None

    def forward(self, mask_features: Tensor, memory: Sequence[Tensor], audio: Tensor,
                attention_mask: Callable[[Tensor, tuple[int, int]], Tensor], text: DecoderText | None = None) -> DecoderStates:
        """Runs all layers.

        Args:
            mask_features: (N, D, H/4, W/4).
            memory: three maps (N, D, h, w), coarse to fine.
            audio: (N, D), one token per frame.
            attention_mask: maps queries (N, Q, D) and a level's (h, w) to a boolean (N, Q, h·w), True where a query may look.
            text: what queries read if ``text_attention`` is on.

        Raises:
            ValueError: text for a decoder that reads none, or the reverse.
        """
        if (text is not None) != self.text_attention:
            raise ValueError(f'text_attention={self.text_attention}, but the decoder got {"no" if text is None else "a"} text; '
                             'text_in_decoder of ImplicitCounterfactual and text_attention go together')
        query_pos = self.query_embed.weight[None]
        query = torch.cat([self.query_feat.weight + audio[:, None], audio[:, None]], 1)  # (N, Q+1, D)
        shapes = [tuple(x.shape[-2:]) for x in memory]
        tokens = [x.flatten(2).transpose(1, 2) for x in memory]
        positions = [
            sine_positions_2d(*shape, self.embed_dims, mask_features).flatten(2).transpose(1, 2) + code
            for shape, code in zip(shapes, self.level_embed.weight, strict=True)
        ]
        states = [query]
        for i, layer in enumerate(self.layers):
            level = i % self.num_levels
            mask = attention_mask(query[:, :-1], shapes[level])
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)  # the audio token looks everywhere
            query = layer(query, query_pos, tokens[level], positions[level], mask[:, None], text)
            states.append(query)
            if i < len(self.bridges):
                tokens[level] = self.bridges[i](tokens[level], positions[level], query, query_pos)
        final = mask_features
        if self.mask_bridge is not None:
            position = sine_positions_2d(*mask_features.shape[-2:], self.embed_dims, mask_features)
            flat, where = (x.flatten(2).transpose(1, 2) for x in (mask_features, position))
            final = self.mask_bridge(flat, where, query, query_pos).transpose(1, 2).reshape(mask_features.shape)
        return DecoderStates(states, (mask_features, final))
