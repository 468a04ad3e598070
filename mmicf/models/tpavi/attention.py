"""Temporal pixel-wise audio-visual interaction (`AVSBench <https://arxiv.org/abs/2207.05042>`_, Sec. 4.2), without softmax."""
import torch
from torch import Tensor, nn

from ..layers import clip_lengths, frames_by_clip


class TPAVIAttention(nn.Module):
    """Every pixel of a clip attends to the sound of all its frames, exactly, in O(T·H·W·T).

    As published, θ of T·H·W pixels meets φ of the audio that was tiled to T·H·W places, and the (T·H·W)² similarities, divided
    by their number per row, weigh g of the pixels. The tiled audio is one vector per frame, so the sum over a frame's places
    can be taken first:

        out_p = 1/(T·H·W) · Σ_t (θ_p · φ_t) Σ_{q in t} g_q

    and, θ and g being linear, θ_p · φ_t = x_p · (W_θᵀ φ_t) + b_θ · φ_t and Σ_q g_q = W_g Σ_q x_q + H·W·b_g: no projection runs
    on pixels at all. Parameter names are those of the published files.

    Args:
        embed_dims: C of the map.
        audio_dims: of the audio tokens.
        inner_dims: of θ, φ and g.
        audio_bias: of the audio projection; the published AVSS model has none.
    """

    def __init__(self, embed_dims: int = 256, audio_dims: int = 128, inner_dims: int = 128, audio_bias: bool = True) -> None:
        super().__init__()
        self.align_channel = nn.Linear(audio_dims, embed_dims, bias=audio_bias)
        self.theta = nn.Linear(embed_dims, inner_dims)
        self.phi = nn.Linear(embed_dims, inner_dims)
        self.g = nn.Linear(embed_dims, inner_dims)
        self.W_z = nn.Sequential(nn.Linear(inner_dims, embed_dims), nn.BatchNorm2d(embed_dims))
        self.norm_layer = nn.LayerNorm(embed_dims)
        nn.init.zeros_(self.W_z[1].weight)  # the block starts without sound
        nn.init.zeros_(self.W_z[1].bias)

    def forward(self, x: Tensor, audio: Tensor, clip_index: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, h, w), audio (N, C_a) and clips (N,) → the map with sound, and the projected audio (N, C)."""
        heard = self.align_channel(audio)
        n, c, h, w = x.shape
        pixels = x.flatten(2)
        with torch.autocast(x.device.type, enabled=False):  # sums over all pixels of a clip
            phi = self.phi(heard.float())
            value = self.g(pixels.float().mean(2)) @ self.W_z[0].weight.T  # W_z of the mean of g over the frame
            frames = torch.tensor(clip_lengths(clip_index), device=x.device)
            # Keys and values of all frames of the clip; padding is zero and adds nothing.
            keys, _ = frames_by_clip(torch.cat([phi @ self.theta.weight, phi @ self.theta.bias[:, None]], 1), clip_index)
            values, _ = frames_by_clip(value / frames[clip_index][:, None], clip_index)
            keys, values = keys[clip_index].to(x.dtype), values[clip_index].to(x.dtype)  # (N, T, C + 1), (N, T, C)
        similarity = keys[..., :-1] @ pixels + keys[..., -1:]  # (N, T, h·w)
        out = values.transpose(1, 2) @ similarity + self.W_z[0].bias.to(x.dtype)[:, None]
        out = x + self.W_z[1](out.view(n, c, h, w))
        return self.norm_layer(out.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), heard
