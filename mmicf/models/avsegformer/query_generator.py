"""Query generator of AVSegFormer (Sec. 3.3): learned queries that have heard the frame."""
import torch.nn.functional as F
from torch import Tensor, nn


class _GeneratorLayer(nn.Module):
    """Post-norm: self-attention, cross-attention to the audio token, feed-forward."""

    def __init__(self, embed_dims: int, num_heads: int, ffn_dims: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(embed_dims, num_heads, bias=False, batch_first=True)
        self.cross_attn = nn.MultiheadAttention(embed_dims, num_heads, bias=False, batch_first=True)
        self.ffn = nn.Sequential(nn.Linear(embed_dims, ffn_dims), nn.GELU(), nn.Linear(ffn_dims, embed_dims))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(embed_dims) for _ in range(3))

    def _heard(self, audio: Tensor) -> Tensor:
        """Cross-attention to one key: its softmax is 1, so every query receives the projected value, (N, D) → (N, 1, D)."""
        value = self.cross_attn.in_proj_weight.chunk(3)[2]
        return self.cross_attn.out_proj(F.linear(audio, value))[:, None]

    def forward(self, query: Tensor, audio: Tensor) -> Tensor:
        query = self.norm1(query + self.self_attn(query, query, query, need_weights=False)[0])
        query = self.norm2(query + self._heard(audio))
        return self.norm3(query + self.ffn(query))


class QueryGenerator(nn.Module):
    """One audio token per frame (N, D) → (N, Q, D).

    The first self-attention sees learned queries only, which all frames share, so it runs once.

    Args:
        num_queries: Q.
        embed_dims: D.
        num_layers, num_heads, ffn_dims: of the layers; no dropout, no biases in the attention, as released.
    """

    def __init__(self, *, num_queries: int = 300, embed_dims: int = 256, num_layers: int = 6, num_heads: int = 8,
                 ffn_dims: int = 1024) -> None:
        super().__init__()
        self.query = nn.Embedding(num_queries, embed_dims)
        self.layers = nn.ModuleList([_GeneratorLayer(embed_dims, num_heads, ffn_dims) for _ in range(num_layers)])

    def forward(self, audio: Tensor) -> Tensor:
        """(N, D) → (N, Q, D)."""
        query = self.query.weight[None]
        for layer in self.layers:
            query = layer(query, audio)  # (1, Q, D) before the first layer
        return query
