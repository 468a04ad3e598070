"""Multi-scale deformable pixel decoder of `Mask2Former <https://arxiv.org/abs/2112.01527>`_, as ICF takes it from COMBO."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmicf.registry import MODELS

from ..layers import MSDeformAttention, cell_centres, sine_positions_2d


class _FFN(nn.Module):
    """Feed-forward part with the tensor names of mmcv's ``FFN`` (``layers.0.0``, ``layers.1``)."""

    def __init__(self, embed_dims: int, hidden_dims: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(embed_dims, hidden_dims), nn.ReLU(inplace=True)),
                                    nn.Linear(hidden_dims, embed_dims))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _EncoderLayer(nn.Module):
    """Post-norm: deformable self-attention, then feed-forward."""

    def __init__(self, embed_dims: int, num_heads: int, num_levels: int, num_points: int, ffn_dims: int) -> None:
        super().__init__()
        self.self_attn = MSDeformAttention(embed_dims, num_heads, num_levels, num_points)
        self.ffn = _FFN(embed_dims, ffn_dims)
        self.norms = ModuleList([nn.LayerNorm(embed_dims), nn.LayerNorm(embed_dims)])

    def forward(self, x: Tensor, position: Tensor, reference: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
        x = self.norms[0](x + self.self_attn(x, position, reference, shapes))
        return self.norms[1](x + self.ffn(x))


@MODELS.register_module()
class MSDeformAttnPixelDecoder(BaseModule):
    """Maps at strides 4, 8, 16, 32 → mask features at stride 4 and memory at strides 32, 16, 8.

    Parameter names equal those of mmdet's module of the same name, so COCO/ADE Mask2Former weights load
    (``tools/model_converters``).

    Args:
        in_channels: channels of the four maps, fine to coarse.
        embed_dims: D, width of memory and mask features; a multiple of 32 (GroupNorm).
        num_layers: deformable encoder layers.
        num_heads, num_points, ffn_dims: of each layer.
    """

    num_levels = 3  # strides 32, 16, 8 attend to each other; stride 4 joins through one FPN step

    def __init__(self, *, in_channels: Sequence[int], embed_dims: int = 256, num_layers: int = 6, num_heads: int = 8,
                 num_points: int = 4, ffn_dims: int = 1024, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != 4:
            raise ValueError(f'in_channels must name the maps at strides 4, 8, 16, 32, got {list(in_channels)}')
        self.embed_dims = embed_dims
        norm = dict(type='GN', num_groups=32)
        self.input_convs = ModuleList([
            ConvModule(c, embed_dims, 1, norm_cfg=norm, act_cfg=None, bias=True) for c in reversed(in_channels[1:])
        ])
        self.encoder = nn.Module()
        self.encoder.layers = ModuleList([
            _EncoderLayer(embed_dims, num_heads, self.num_levels, num_points, ffn_dims) for _ in range(num_layers)
        ])
        self.level_encoding = nn.Embedding(self.num_levels, embed_dims)
        self.lateral_convs = ModuleList([ConvModule(in_channels[0], embed_dims, 1, norm_cfg=norm, act_cfg=None, bias=False)])
        self.output_convs = ModuleList([ConvModule(embed_dims, embed_dims, 3, padding=1, norm_cfg=norm, bias=False)])
        self.mask_feature = nn.Conv2d(embed_dims, embed_dims, 1)
        for conv in (*self.input_convs, *self.lateral_convs, *self.output_convs):
            nn.init.xavier_uniform_(conv.conv.weight)
            if conv.conv.bias is not None:
                nn.init.zeros_(conv.conv.bias)
        nn.init.xavier_uniform_(self.mask_feature.weight)
        nn.init.zeros_(self.mask_feature.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Four maps (N, C_i, H_i, W_i), fine to coarse → (N, D, H/4, W/4) and three (N, D, h, w), coarse to fine."""
        levels = [conv(x) for conv, x in zip(self.input_convs, reversed(maps[1:]), strict=True)]
        shapes = [tuple(x.shape[-2:]) for x in levels]
        tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in levels], 1)  # (N, S, D)
        position = torch.cat([
            sine_positions_2d(*shape, self.embed_dims, tokens).flatten(2).transpose(1, 2) + code
            for shape, code in zip(shapes, self.level_encoding.weight, strict=True)
        ], 1)
        reference = torch.cat([cell_centres(*shape, tokens) for shape in shapes])
        for layer in self.encoder.layers:
            tokens = layer(tokens, position, reference, shapes)
        memory = [
            part.transpose(1, 2).unflatten(2, shape)
            for part, shape in zip(tokens.split([h * w for h, w in shapes], 1), shapes, strict=True)
        ]
        fine = self.lateral_convs[0](maps[0])
        fine = fine + F.interpolate(memory[-1], size=fine.shape[-2:], mode='bilinear', align_corners=False)
        return self.mask_feature(self.output_convs[0](fine)), memory
