"""From audio embeddings to audio tokens that know their clip."""
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS

from ..layers import MultiHeadAttention, apply_per_clip, clips_by_length, sine_positions_1d


@MODELS.register_module()
class AudioNeck(BaseModule):
    """Linear projection and one self-attention layer over a clip's T audio tokens, (N, in_channels) → (N, embed_dims).

    A sine code of the frame's place in the clip is added to queries and keys. The attention's output starts at zero: a token is the
    sound of its own second until training mixes in others, which at random halve what tells the seconds apart.

    Args:
        in_channels: width of the audio backbone's embedding, 128 for VGGish.
        embed_dims: D.
        num_heads: attention heads.
    """

    def __init__(self, *, in_channels: int = 128, embed_dims: int = 256, num_heads: int = 8,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.proj = nn.Linear(in_channels, embed_dims)
        self.attn = MultiHeadAttention(embed_dims, num_heads)
        nn.init.zeros_(self.attn.out.weight)
        self.norm = nn.LayerNorm(embed_dims)

    def _attend(self, x: Tensor) -> Tensor:
        where = x + sine_positions_1d(x.shape[1], x.shape[2], x)
        return self.norm(x + self.attn(where, where, x))

    def forward(self, audio: Tensor, clip_index: Tensor) -> Tensor:
        """Embeddings (N, in_channels) and the clip of each frame (N,) → tokens (N, D)."""
        return apply_per_clip(self._attend, self.proj(audio), clips_by_length(clip_index))
