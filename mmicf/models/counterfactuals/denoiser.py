"""ε_θ(z_t, t, v): predicts the noise in text tokens from the visual tokens of their clip (ICF Eq. 9, 11)."""
import math

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from ..layers import MultiHeadAttention


class _Block(nn.Module):
    """Token MLP with AdaLN: scale, shift and gate come from the time; closed at the start, as in DiT."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dims, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(dims, 4 * dims), nn.GELU(), nn.Linear(4 * dims, dims))
        self.modulation = nn.Linear(dims, 3 * dims)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift, gate = self.modulation(F.silu(time))[:, None].chunk(3, -1)
        return x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)


class TokenDenoiser(BaseModule):
    """Noise of each token, which sees the visual tokens but no other text token.

    Args:
        embed_dims: D of the tokens.
        hidden_dims: width inside; 256 makes 2.8 M parameters.
        num_layers: MLP blocks; the visual tokens are read after the first.
    """

    def __init__(self, *, embed_dims: int = 256, hidden_dims: int = 256, num_layers: int = 3) -> None:
        super().__init__()
        self.input = nn.Linear(embed_dims, hidden_dims)
        self.time = nn.Sequential(nn.Linear(hidden_dims, hidden_dims), nn.SiLU(), nn.Linear(hidden_dims, hidden_dims))
        self.blocks = ModuleList([_Block(hidden_dims) for _ in range(num_layers)])
        self.visual = nn.Linear(embed_dims, hidden_dims)
        self.nothing = nn.Parameter(torch.zeros(1, 1, hidden_dims))  # what is read beside the visual tokens, or in their place
        self.cross_norm = nn.LayerNorm(hidden_dims)
        self.cross = MultiHeadAttention(hidden_dims, 4)
        self.norm = nn.LayerNorm(hidden_dims)
        self.output = nn.Linear(hidden_dims, embed_dims)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, t: Tensor, visual: Tensor, visible: Tensor) -> Tensor:
        """Estimated noise.

        Args:
            x: (B, P, D) noisy tokens.
            t: int (B,), 0-based.
            visual: (B, T, D).
            visible: bool (B, T), the visual tokens that may be read; none at all is an unconditional estimate.
        """
        time = self.time(_time_code(t, self.nothing.shape[-1]))
        memory = torch.cat([self.nothing.expand(len(x), -1, -1), self.visual(visual)], 1)
        mask = F.pad(visible, (1, 0), value=True)[:, None, None]
        x = self.input(x)
        for i, block in enumerate(self.blocks):
            x = block(x, time)
            if i == 0:
                x = x + self.cross(self.cross_norm(x), memory, memory, mask)
        return self.output(self.norm(x))


def _time_code(t: Tensor, dims: int) -> Tensor:
    """Sine code (B, dims) of steps (B,)."""
    rate = torch.exp(-math.log(10000) * torch.arange(dims // 2, device=t.device) / (dims // 2))
    angle = t[:, None].float() * rate
    return torch.cat([angle.sin(), angle.cos()], -1)
