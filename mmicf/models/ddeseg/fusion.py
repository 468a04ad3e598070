"""Feature fusion (DDESeg, `Sec. 3.3 <https://arxiv.org/abs/2503.12840>`_): pixels hear the sounds that are left.

All products with pixels are ordered so that no projection runs over the pixels themselves: exact, and with K·heads below C cheaper.
"""
import torch
from torch import Tensor, nn

from .derivation import init_small


class FeatureFusion(nn.Module):
    """Sounds ask, pixels are key and value; what each sound found goes back to the pixels that it looked at.

    Q, K, V are projections of sounds and pixels, A = Q Kᵀ / √c per head. Each sound gathers z = softmax over pixels (A) · V, and a
    pixel receives softmax over sounds (Aᵀ) · z, projected, on top of itself. The paper names queries, keys and values but
    not how K sounds become a map again; the transposed attention is ours (docs/en/decisions.md).

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
        self.apply(init_small)

    def forward(self, pixels: Tensor, sounds: Tensor) -> Tensor:
        """(N, S, C) and (N, K, C) → (N, S, C)."""
        heads, channels = self.num_heads, pixels.shape[-1]
        query = self.query(sounds).unflatten(-1, (heads, -1)).transpose(1, 2) * (channels // heads)**-0.5  # (N, heads, K, c)
        asked = query @ self.key.weight.unflatten(0, (heads, -1))  # (N, heads, K, C)
        attention = asked.flatten(1, 2) @ pixels.transpose(1, 2)  # (N, heads·K, S)
        shift = query @ self.key.bias.view(heads, -1, 1)  # (N, heads, K, 1)
        attention = attention.unflatten(1, (heads, -1)) + shift
        found = (attention.softmax(-1).flatten(1, 2) @ pixels).unflatten(1, (heads, -1))  # (N, heads, K, C)
        found = found @ self.value.weight.unflatten(0, (heads, -1)).transpose(1, 2) + self.value.bias.view(heads, 1, -1)
        found = found @ self.out.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)  # (N, heads, K, C), to be summed over heads
        received = attention.softmax(2).flatten(1, 2).transpose(1, 2) @ found.flatten(1, 2)
        return pixels + received + self.out.bias


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
        self.apply(init_small)

    def forward(self, pixels: Tensor, sound: Tensor) -> Tensor:
        """(N, S, C) and (N, C) → (N, S, C)."""
        key = self.key(sound).unflatten(-1, (self.num_heads, -1))  # (N, heads, c)
        asked = torch.einsum('nhc,hcd->ndh', key, self.query.weight.unflatten(0, (self.num_heads, -1)))  # (N, C, heads)
        gate = (pixels @ asked * key.shape[-1]**-0.5).sigmoid()  # (N, S, heads)
        value = self.value(sound).unflatten(-1, (self.num_heads, -1))
        return pixels + (gate[..., None] * value[:, None]).flatten(2)
