"""Sound for segmentors that only see: a small exchange between feature maps and audio tokens."""
from collections.abc import Sequence

from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmicf.registry import MODELS

from ..layers import MultiHeadAttention


@MODELS.register_module()
class AVFusionNeck(BaseModule):
    """The audio token looks at the coarsest map, then every map listens to it.

    A pixel x becomes x + W·(P x ⊙ Q a): what a pixel and the sound have in common, in ``embed_dims`` dimensions, is written back
    to the map. W starts at zero, so a pretrained segmentor starts as it was; so does what the token looks at, so that maps first
    listen to the sound alone (docs/en/decisions.md, "Random start").

    Args:
        in_channels: channels of the maps, fine to coarse.
        audio_dims: width of the audio tokens.
        embed_dims: D of the common space, a multiple of 4.
    """

    def __init__(self, *, in_channels: Sequence[int], audio_dims: int, embed_dims: int = 64, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.token = nn.Linear(audio_dims, embed_dims)
        self.look = MultiHeadAttention(embed_dims, 4)
        self.norm = nn.LayerNorm(embed_dims)
        self.pixel = ModuleList([nn.Conv2d(c, embed_dims, 1) for c in in_channels])
        self.sound = ModuleList([nn.Linear(embed_dims, embed_dims) for _ in in_channels])
        self.write = ModuleList([nn.Conv2d(embed_dims, c, 1) for c in in_channels])
        nn.init.zeros_(self.look.out.weight)
        for layer in self.write:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor], audio: Tensor) -> tuple[list[Tensor], Tensor]:
        """Maps (N, C_i, H_i, W_i) and audio (N, C_a) → the maps with sound, and audio that has seen the picture (N, D)."""
        pixels = [layer(x) for layer, x in zip(self.pixel, maps, strict=True)]
        token, seen = self.token(audio)[:, None], pixels[-1].flatten(2).transpose(1, 2)
        token = self.norm(token + self.look(token, seen, seen))[:, 0]
        out = [x + write(p * sound(token)[:, :, None, None])
               for x, p, sound, write in zip(maps, pixels, self.sound, self.write, strict=True)]
        return out, token
