"""Transformer of AVSegFormer: deformable self-attention of the pixels, then queries that read all of them."""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers import MSDeformAttention, cell_centres, sine_positions_2d


class _FeedForward(nn.Module):
    """The two linear layers at the end of a layer, with dropout inside and behind."""

    def __init__(self, embed_dims: int, ffn_dims: int, dropout: float) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(embed_dims, ffn_dims), nn.Linear(ffn_dims, embed_dims)
        self.dropout = nn.Dropout(dropout, inplace=True)  # no caller needs its input again

    def feed_forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.linear2(self.dropout(nn.functional.gelu(self.linear1(x)))))


class EncoderLayer(_FeedForward):
    """Post-norm: deformable self-attention, feed-forward."""

    def __init__(self, embed_dims: int, num_heads: int, num_levels: int, ffn_dims: int, dropout: float) -> None:
        super().__init__(embed_dims, ffn_dims, dropout)
        self.self_attn = MSDeformAttention(embed_dims, num_heads, num_levels, num_points=4)
        self.norm1, self.norm2 = nn.LayerNorm(embed_dims), nn.LayerNorm(embed_dims)

    def forward(self, x: Tensor, position: Tensor, reference: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """S pixels of all maps (N, S, D), their codes (1, S, D) and centres (S, 2), and each map's (h, w) → (N, S, D)."""
        x = self.norm1(x + self.dropout(self.self_attn(x, position, reference, shapes)))
        return self.norm2(x + self.feed_forward(x))


class DecoderLayer(_FeedForward):
    """Post-norm: self-attention of the queries, attention to all pixels, feed-forward. Keys have no position, as released."""

    def __init__(self, embed_dims: int, num_heads: int, ffn_dims: int, dropout: float) -> None:
        super().__init__(embed_dims, ffn_dims, dropout)
        self.self_attn = nn.MultiheadAttention(embed_dims, num_heads, dropout=dropout, batch_first=True)
        self.cross_attn = nn.MultiheadAttention(embed_dims, num_heads, dropout=dropout, batch_first=True)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(embed_dims) for _ in range(3))

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        """Queries (N, Q, D) and pixels (N, S, D) → queries (N, Q, D)."""
        query = self.norm1(query + self.dropout(self.self_attn(query, query, query, need_weights=False)[0]))
        query = self.norm2(query + self.dropout(self.cross_attn(query, memory, memory, need_weights=False)[0]))
        return self.norm3(query + self.feed_forward(query))


class AVSegFormerTransformer(nn.Module):
    """Maps of several strides and queries → the encoded maps and the decoded queries.

    Args:
        embed_dims: D.
        num_layers: of the encoder and of the decoder.
        num_levels: maps, fine to coarse.
        num_heads, ffn_dims, dropout: of each layer.
    """

    def __init__(self, *, embed_dims: int = 256, num_layers: int = 6, num_levels: int = 3, num_heads: int = 8,
                 ffn_dims: int = 2048, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Module(), nn.Module()  # hold names of the released checkpoints
        self.encoder.layers = nn.ModuleList([
            EncoderLayer(embed_dims, num_heads, num_levels, ffn_dims, dropout) for _ in range(num_layers)
        ])
        self.decoder.layers = nn.ModuleList([DecoderLayer(embed_dims, num_heads, ffn_dims, dropout) for _ in range(num_layers)])

    def forward(self, maps: Sequence[Tensor], level_embed: Tensor, query: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encodes the maps and lets the queries read them.

        Args:
            maps: (N, D, h, w) each, in the order of ``level_embed``.
            level_embed: (levels, D), added to the positions of a level.
            query: (N, Q, D).

        Returns:
            the encoded maps, shaped as ``maps``, and the queries of the last layer (N, Q, D).
        """
        shapes = [tuple(x.shape[-2:]) for x in maps]
        memory = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], 1)  # (N, S, D)
        position = torch.cat([_positions(*shape, memory) + code
                              for shape, code in zip(shapes, level_embed, strict=True)])[None]
        reference = torch.cat([cell_centres(*shape, memory) for shape in shapes])
        for layer in self.encoder.layers:
            memory = layer(memory, position, reference, shapes)
        for layer in self.decoder.layers:
            query = layer(query, memory)
        parts = memory.split([h * w for h, w in shapes], 1)
        return [x.transpose(1, 2).unflatten(2, shape) for x, shape in zip(parts, shapes, strict=True)], query


def _positions(height: int, width: int, like: Tensor) -> Tensor:
    """(height·width, D): sine code of cells, not normalised, as released."""
    return sine_positions_2d(height, width, like.shape[-1], like, normalize=False).flatten(2)[0].T
