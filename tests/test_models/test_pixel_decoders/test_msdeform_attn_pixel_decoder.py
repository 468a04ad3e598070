import pytest
import torch

from mmicf.models.pixel_decoders import MSDeformAttnPixelDecoder


def test_names_and_shapes_are_those_of_mmdet():
    """COCO Mask2Former's R50 pixel decoder, as mmdet's checkpoints store it (without the leading module path)."""
    state = MSDeformAttnPixelDecoder(in_channels=[256, 512, 1024, 2048]).state_dict()
    expected = {'level_encoding.weight': (3, 256), 'mask_feature.weight': (256, 256, 1, 1), 'mask_feature.bias': (256,),
                'lateral_convs.0.conv.weight': (256, 256, 1, 1), 'output_convs.0.conv.weight': (256, 256, 3, 3)}
    for i, c in enumerate((2048, 1024, 512)):  # coarse first
        expected |= {f'input_convs.{i}.conv.weight': (256, c, 1, 1), f'input_convs.{i}.conv.bias': (256,)}
    for kind, count in (('input_convs', 3), ('lateral_convs', 1), ('output_convs', 1)):
        expected |= {f'{kind}.{i}.gn.{p}': (256,) for i in range(count) for p in ('weight', 'bias')}
    for i in range(6):
        layer = f'encoder.layers.{i}.'
        for name, rows, columns in (('self_attn.sampling_offsets', 192, 256), ('self_attn.attention_weights', 96, 256),
                                    ('self_attn.value_proj', 256, 256), ('self_attn.output_proj', 256, 256),
                                    ('ffn.layers.0.0', 1024, 256), ('ffn.layers.1', 256, 1024)):
            expected |= {f'{layer}{name}.weight': (rows, columns), f'{layer}{name}.bias': (rows,)}
        expected |= {f'{layer}norms.{k}.{p}': (256,) for k in (0, 1) for p in ('weight', 'bias')}
    assert {k: tuple(v.shape) for k, v in state.items()} == expected


def test_output_sizes_and_frame_independence():
    torch.manual_seed(0)
    decoder = MSDeformAttnPixelDecoder(in_channels=[8, 16, 24, 40], embed_dims=32, num_layers=2, ffn_dims=64).eval()
    maps = [torch.randn(3, c, *s) for c, s in zip((8, 16, 24, 40), ((20, 28), (10, 14), (5, 7), (3, 4)), strict=True)]
    features, memory = decoder(maps)
    assert features.shape == (3, 32, 20, 28)
    assert [tuple(m.shape[-2:]) for m in memory] == [(3, 4), (5, 7), (10, 14)]
    alone, _ = decoder([m[1:2] for m in maps])
    assert torch.allclose(features[1:2], alone, atol=1e-5)


def test_three_maps_are_refused():
    with pytest.raises(ValueError, match='strides 4, 8, 16, 32'):
        MSDeformAttnPixelDecoder(in_channels=[8, 16, 32])
