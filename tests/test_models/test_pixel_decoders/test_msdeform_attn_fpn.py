import torch
import torch.nn.functional as F

from mmicf.models.pixel_decoders import MSDeformAttnPixelDecoder


def test_the_finest_map_is_joined_by_the_finest_memory():
    torch.manual_seed(0)
    decoder = MSDeformAttnPixelDecoder(in_channels=[8, 16, 24, 40], embed_dims=32, num_layers=1, ffn_dims=64).eval()
    maps = [torch.randn(2, c, *s) for c, s in zip((8, 16, 24, 40), ((20, 28), (10, 14), (5, 7), (3, 4)), strict=True)]
    joined = []
    decoder.output_convs[0].register_forward_pre_hook(lambda _, args: joined.append(args[0]))
    _, memory = decoder(maps)
    resized = F.interpolate(memory[-1], size=(20, 28), mode='bilinear', align_corners=False)
    assert torch.allclose(joined[0], decoder.lateral_convs[0](maps[0]) + resized, atol=1e-6)
