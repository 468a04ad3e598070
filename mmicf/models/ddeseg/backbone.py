"""A four-stage picture encoder that hears (DDESeg, `Eq. 1 and Fig. 3 <https://arxiv.org/abs/2503.12840>`_)."""
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS, WEIGHT_INITIALIZERS
from mmicf.utils.checkpoint import load_official

from ..backbones.official_weights import pvt_v2_name
from .derivation import check_style, init_linear
from .elimination import DynamicElimination
from .fusion import FeatureFusion, GatedFusion

MIT_PUBLISHED = 'mit_b5.pth, published with SegFormer (github.com/NVlabs/SegFormer), or mit_b5_imgnet.pth of DDESeg (Hugging Face)'


@WEIGHT_INITIALIZERS.register_module()
class OfficialMiTInit:
    """Loads SegFormer's ImageNet file into ``mmpretrain.TIMMBackbone(model_name='pvt_v2_b5', features_only=True)``.

    MiT-B5 and PVT-v2-B5 are one network with one set of published tensor names; the weights differ.

    Args:
        checkpoint: the file.

    Raises:
        FileNotFoundError, CheckpointMismatchError: no such file, or another model's.
    """

    def __init__(self, *, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        load_official(module.timm_model, self.checkpoint, published=MIT_PUBLISHED, key_map=pvt_v2_name)
        print_log(f'MiT weights from {self.checkpoint}', 'current')


@MODELS.register_module()
class DDESegBackbone(BaseModule):
    """Frames (N, 3, H, W) and sounds (N, K, d) → four maps, and the sounds that are left (N, K, d).

    Every stage embeds patches, weakens the sounds that it does not see, fuses the rest into the pixels, and runs its
    transformer blocks. 'paper': stage 1 takes the derived sounds as they are, the others weaken what the stage before has left
    (Eq. 1). 'released': every stage takes the derived sounds, weakens them and sums them up to one.

    The paper counts 3, 6, 40 and 3 fusion blocks. With one fusion per stage in front of so many transformer blocks, and HTS-AT's
    d = 768, the model of MS3 trains 102.63 M parameters where the paper prints 103.84 M; a fusion per block would add 18.49 M.

    Args:
        encoder: config of an ``mmpretrain.TIMMBackbone`` of the PVT-v2 family, ``features_only=True``; 'pvt_v2_b5' is also the
            layout of MiT-B5.
        audio_dims: d.
        first_stride: of the first patch embedding, 4 or 2 (as released; four times the pixels).
        scheme: of the elimination, see :class:`DynamicElimination`.
        num_centers, num_heads: of elimination and fusion.
        style: 'paper' or 'released'.

    Raises:
        ValueError: an encoder of another family, or an unknown stride, scheme or style.
    """

    def __init__(self, *, encoder: dict, audio_dims: int, first_stride: int = 4, scheme: int = 5, num_centers: int = 5,
                 num_heads: int = 8, style: str = 'paper', init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.style = check_style(style)
        self.encoder = MODELS.build(encoder)
        net = getattr(self.encoder, 'timm_model', None)
        names = [name for name, _ in net.named_children()] if net is not None else []
        if names != ['patch_embed', *[f'stages_{i}' for i in range(4)]]:
            raise ValueError(f'encoder must be a TIMMBackbone of the PVT-v2 family with features_only=True, found {names[:5]}')
        if first_stride not in (2, 4):
            raise ValueError(f'first_stride must be 2 or 4, got {first_stride}')
        net['patch_embed'].proj.stride = (first_stride, first_stride)
        channels = net.feature_info.channels()
        self.audio_projections = nn.ModuleList([_projection(audio_dims, c) for c in channels])
        self.audio_projections.apply(init_linear)
        first = 0 if style == 'released' else 1
        options = dict(num_centers=num_centers, num_heads=num_heads, scheme=scheme, style=style)
        self.eliminations = nn.ModuleList([DynamicElimination(embed_dims=c, **options) for c in channels[first:]])
        fusion = FeatureFusion if style == 'paper' else GatedFusion
        self.fusions = nn.ModuleList([fusion(c, num_heads) for c in channels])

    def forward(self, frames: Tensor, sounds: Tensor | None = None) -> tuple[list[Tensor], Tensor | None]:
        """Without sounds, the encoder alone."""
        x, maps, net = frames, [], self.encoder.timm_model
        for i in range(len(self.fusions)):
            stage = net[f'stages_{i}']
            x = (stage.downsample if i else net['patch_embed'])(x)  # (N, h, w, C)
            size, pixels = x.shape[1:3], x.flatten(1, 2)
            if sounds is not None:
                pixels, sounds = self._hear(i, pixels, sounds)
            for block in stage.blocks:
                pixels = block(pixels, size)
            x = stage.norm(pixels).transpose(1, 2).unflatten(2, size)
            maps.append(x)
        return maps, sounds

    def _hear(self, i: int, pixels: Tensor, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """Stage i: pixels (N, S, C) with the sounds (N, K, d) fused in, and the sounds that are left."""
        here = self.audio_projections[i](sounds)  # (N, K, C)
        if self.style == 'released':
            score = self.eliminations[i](here, pixels)[..., None]
            return self.fusions[i](pixels, (score * here).sum(1)), sounds
        if i > 0:
            score = self.eliminations[i - 1](here, pixels)[..., None]
            sounds, here = score * sounds, score * here
        return self.fusions[i](pixels, here), sounds


def _projection(audio_dims: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(audio_dims, 4 * audio_dims), nn.GELU(), nn.Linear(4 * audio_dims, channels))
