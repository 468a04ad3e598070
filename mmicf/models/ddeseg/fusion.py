"""Feature fusion (DDESeg, `Sec. 3.3 <https://arxiv.org/abs/2503.12840>`_): pixels hear the sounds that are left.

Products with pixels are ordered so that no projection runs over the pixels themselves: exact, and cheaper where K·heads is below C.
"""
import torch
from torch import Tensor, nn

from .derivation import init_linear


class FeatureFusion(nn.Module):
    """Sounds ask, pixels are key and value; then each pixel receives the sounds that looked at it.

    Q, K, V are projections of sounds and pixels, A = Q Kᵀ / √c per head. The fused sounds are z = sounds + out(softmax over
    pixels (A) · V), and a pixel adds softmax over sounds (Aᵀ) · z, head by head, to itself. The paper names queries, keys and
    values but not how K sounds become a map again; residual and transposed attention are ours (docs/en/decisions.md). The
    reducing convolution, self-attention and feed-forward that it names next are those of the stage's transformer blocks.

    Args:
        embed_dims: C.
        num_heads: must divide C.
    """

    def __init__(self, embed_dims: int, num_heads: int = 8) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims)
        self.value = nn.Linear(embed_dims, embed_dims)
        self.out = nn.Linear(embed_dims, embed_dims)
        self.apply(init_linear)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (N, K, C) -> (N, heads, K, c)

    def forward(self, pixels: Tensor, sounds: Tensor) -> Tensor:
        """(N, S, C) and (N, K, C) → (N, S, C)."""
        heads = self.num_heads
        query = self._split(self.query(sounds))
        query = query * query.shape[-1]**-0.5
        asked = query @ self.key.weight.unflatten(0, (heads, -1))  # (N, heads, K, C): Q times the key projection
        attention = (asked.flatten(1, 2) @ pixels.transpose(1, 2)).unflatten(1, (heads, -1))  # (N, heads, K, S)
        attention = attention + query @ self.key.bias.view(heads, -1, 1)
        seen = (attention.softmax(-1).flatten(1, 2) @ pixels).unflatten(1, (heads, -1))  # (N, heads, K, C)
        values = seen @ self.value.weight.unflatten(0, (heads, -1)).transpose(1, 2) + self.value.bias.view(heads, 1, -1)
        fused = sounds + self.out(values.transpose(1, 2).flatten(2))
        received = attention.softmax(2).transpose(2, 3) @ self._split(fused)  # (N, heads, S, c)
        return pixels + received.transpose(1, 2).flatten(2)


class GatedFusion(nn.Module):
    """The released form: each pixel lets in the one summed sound through a sigmoid gate per head; residual, no output projection.

    Args:
        embed_dims: C.
        num_heads: must divide C.
    """

    def __init__(self, embed_dims: int, num_heads: int = 8) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims, bias=False)
        self.key = nn.Linear(embed_dims, embed_dims, bias=False)
        self.value = nn.Linear(embed_dims, embed_dims, bias=False)
        self.apply(init_linear)

    def forward(self, pixels: Tensor, sound: Tensor) -> Tensor:
        """(N, S, C) and (N, C) → (N, S, C)."""
        key = self.key(sound).unflatten(-1, (self.num_heads, -1))  # (N, heads, c)
        asked = torch.einsum('nhc,hcd->ndh', key, self.query.weight.unflatten(0, (self.num_heads, -1)))  # (N, C, heads)
        gate = (pixels @ asked * key.shape[-1]**-0.5).sigmoid()  # (N, S, heads)
        value = self.value(sound).unflatten(-1, (self.num_heads, -1))
        return pixels + (gate[..., None] * value[:, None]).flatten(2)
