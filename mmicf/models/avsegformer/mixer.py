"""Audio-visual mixer of AVSegFormer (Sec. 3.4)."""
import torch.nn.functional as F
from torch import Tensor, nn


class CrossModalMixer(nn.Module):
    """Sound opens and closes the channels of the mask feature.

    The audio token attends the pixels; the sigmoid of what it finds is a gate in (0, 1) for each channel.

    Args:
        embed_dims: D.
        num_heads: of the attention; no biases in query, key and value.
    """

    def __init__(self, *, embed_dims: int = 256, num_heads: int = 8) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads = num_heads
        self.q_proj = nn.Linear(embed_dims, embed_dims, bias=False)
        self.kv_proj = nn.Linear(embed_dims, 2 * embed_dims, bias=False)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def gate(self, feature: Tensor, audio: Tensor) -> Tensor:
        """(N, D, h, w) and (N, D) → (N, D) in (0, 1)."""
        query = self.q_proj(audio)[:, None]
        key, value = self.kv_proj(feature.flatten(2).transpose(1, 2)).chunk(2, -1)  # (N, hw, D)
        query, key, value = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (query, key, value))
        found = F.scaled_dot_product_attention(query, key, value)  # (N, heads, 1, D/heads)
        return self.proj(found.flatten(1)).sigmoid()

    def forward(self, feature: Tensor, audio: Tensor) -> Tensor:
        """Mask feature (N, D, h, w) and audio (N, D) → the gated feature (N, D, h, w)."""
        return feature * self.gate(feature, audio)[..., None, None]
