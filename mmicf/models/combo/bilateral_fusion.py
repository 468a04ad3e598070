"""COMBO's bilateral fusion (`Sec. 3.3, "late" <https://arxiv.org/abs/2312.06462>`_): mask features and sound update each other."""
import torch
from torch import Tensor, nn

from ..layers import sine_positions_2d


class BilateralFusion(nn.Module):
    """Pixels (N, D, h, w) and one audio token per frame (N, C_a) → both, each with what it took from the other.

    One matrix of similarities serves both directions. Each is normalised over the pixels: over the single audio token, a softmax
    would be constant. The residuals start from the *normalised* inputs, as published, and the updates from 1e-4 of themselves.

    Args:
        visual_dims: D.
        audio_dims: C_a.
        embed_dims: of the similarities.
        num_heads: must divide ``embed_dims``.
        dropout: of both attention maps.
    """

    def __init__(self, visual_dims: int = 256, audio_dims: int = 128, embed_dims: int = 256, num_heads: int = 8,
                 dropout: float = 0.1) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        self.num_heads, self.scale = num_heads, (embed_dims // num_heads)**-0.5
        self.level_embed = nn.Embedding(1, visual_dims)
        self.audio_pos = nn.Embedding(1, audio_dims)
        self.norm_v, self.norm_a = nn.LayerNorm(visual_dims), nn.LayerNorm(audio_dims)
        self.v_proj, self.a_proj = nn.Linear(visual_dims, embed_dims), nn.Linear(audio_dims, embed_dims)
        self.values_v_proj, self.values_a_proj = nn.Linear(visual_dims, embed_dims), nn.Linear(audio_dims, embed_dims)
        self.out_v_proj, self.out_a_proj = nn.Linear(embed_dims, visual_dims), nn.Linear(embed_dims, audio_dims)
        for layer in (self.v_proj, self.a_proj, self.values_v_proj, self.values_a_proj, self.out_v_proj, self.out_a_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.gamma_v = nn.Parameter(torch.full((visual_dims, ), 1e-4))
        self.gamma_a = nn.Parameter(torch.full((audio_dims, ), 1e-4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, maps: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D, h, w) and (N, C_a) → the same shapes."""
        n, c, h, w = maps.shape
        position = sine_positions_2d(h, w, c, maps).flatten(2).transpose(1, 2)
        visual = self.norm_v(maps.flatten(2).transpose(1, 2) + self.level_embed.weight)  # (N, h·w, D)
        audio = self.norm_a(audio)  # (N, C_a)
        pixels = self.v_proj(visual + position).unflatten(-1, (self.num_heads, -1))  # (N, h·w, heads, d)
        sound = self.a_proj(audio + self.audio_pos.weight).unflatten(-1, (self.num_heads, -1))  # (N, heads, d)
        share = (torch.einsum('nphd,nhd->nhp', pixels, sound) * self.scale).softmax(-1)  # (N, heads, h·w)
        heard = self.values_a_proj(audio).unflatten(-1, (self.num_heads, -1))
        seen = self.values_v_proj(visual).unflatten(-1, (self.num_heads, -1))
        to_pixels = torch.einsum('nhp,nhd->nphd', self.dropout(share), heard).flatten(2)
        to_sound = torch.einsum('nhp,nphd->nhd', self.dropout(share), seen).flatten(1)
        visual = visual + self.gamma_v * self.out_v_proj(to_pixels)
        audio = audio + self.gamma_a * self.out_a_proj(to_sound)
        return visual.transpose(1, 2).reshape(n, c, h, w), audio
