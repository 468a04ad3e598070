"""Equation 1: what reaches each stage; and the encoder itself against mmseg's MiT."""
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.models.backbones import MixVisionTransformer

from mmicf.models.ddeseg import DDESegBackbone


def module(style='paper', scheme=5, **options):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    encoder = dict(type='mmpretrain.TIMMBackbone', model_name='pvt_v2_b0', features_only=True, depths=(1, 1, 1, 1),
                   mlp_ratios=(4, 4, 4, 4))
    return DDESegBackbone(encoder=encoder, audio_dims=16, scheme=scheme, style=style, **options).eval()


def spy(modules):
    """Inputs and outputs of each call."""
    calls = []
    for m in modules:
        m.register_forward_hook(lambda m, x, y: calls.append((x, y)))
    return calls


def test_paper_passes_on_what_is_left():
    model = module()
    scores, heard = spy(model.eliminations), spy(model.fusions)
    frames, sounds = torch.randn(2, 3, 32, 32), torch.randn(2, 5, 16)
    with torch.no_grad():
        maps, left = model(frames, sounds)
    assert [m.shape[1:] for m in maps] == [(32, 8, 8), (64, 4, 4), (160, 2, 2), (256, 1, 1)]
    assert len(scores) == 3  # stage 1 takes Φ_D(F) as it is
    expected = sounds
    torch.testing.assert_close(heard[0][0][1], model.audio_projections[0](sounds))
    for i, ((_, score), project) in enumerate(zip(scores, model.audio_projections[1:], strict=True), 1):
        torch.testing.assert_close(scores[i - 1][0][0], project(expected))  # of what the stage before left
        torch.testing.assert_close(heard[i][0][1], score[..., None] * project(expected))
        expected = score[..., None] * expected  # Eq. 17
    torch.testing.assert_close(left, expected)


def test_released_starts_anew_in_each_stage():
    model = module('released')
    scores, heard = spy(model.eliminations), spy(model.fusions)
    sounds = torch.randn(2, 5, 16)
    with torch.no_grad():
        _, left = model(torch.randn(2, 3, 32, 32), sounds)
    assert len(scores) == 4 and torch.equal(left, sounds)
    for (x, score), (fused, _), project in zip(scores, heard, model.audio_projections, strict=True):
        torch.testing.assert_close(x[0], project(sounds))
        torch.testing.assert_close(fused[1], (score[..., None] * project(sounds)).sum(1))


def test_stride_2_has_four_times_the_pixels():
    with torch.no_grad():
        maps, _ = module(first_stride=2)(torch.randn(1, 3, 32, 32), torch.randn(1, 5, 16))
    assert [m.shape[-1] for m in maps] == [16, 8, 4, 2]


def test_encoder_is_mit():
    """Without sound our encoder is mmseg's MixVisionTransformer (epsilons aside), weights copied in order."""
    model = module(scheme=1)
    mit = MixVisionTransformer(embed_dims=32, num_layers=[1] * 4, num_heads=[1, 2, 5, 8]).eval()
    ours, theirs = model.encoder.timm_model, mit.layers
    with torch.no_grad():
        for i, (embed, (block,), norm) in enumerate(theirs):
            stage = ours[f'stages_{i}']
            own = stage.blocks[0]
            source = ours['patch_embed'] if i == 0 else stage.downsample
            embed.projection.load_state_dict(source.proj.state_dict())
            for a, b in ((embed.norm, source.norm), (norm, stage.norm), (block.norm1, own.norm1), (block.norm2, own.norm2)):
                a.load_state_dict(b.state_dict())
            attention = block.attn.attn
            attention.in_proj_weight.copy_(torch.cat([own.attn.q.weight, own.attn.kv.weight]))
            attention.in_proj_bias.copy_(torch.cat([own.attn.q.bias, own.attn.kv.bias]))
            attention.out_proj.load_state_dict(own.attn.proj.state_dict())
            if own.attn.sr is not None:
                block.attn.sr.load_state_dict(own.attn.sr.state_dict())
                block.attn.norm.load_state_dict(own.attn.norm.state_dict())
            fc1, dwconv, _, _, fc2, _ = block.ffn.layers
            fc1.weight.copy_(own.mlp.fc1.weight[:, :, None, None])
            fc2.weight.copy_(own.mlp.fc2.weight[:, :, None, None])
            fc1.bias.copy_(own.mlp.fc1.bias)
            fc2.bias.copy_(own.mlp.fc2.bias)
            dwconv.load_state_dict(own.mlp.dwconv.state_dict())
        frames = torch.randn(1, 3, 64, 64)
        maps, _ = model(frames)
        for a, b in zip(maps, mit(frames), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_refuses_other_encoders_and_strides():
    init_default_scope('mmicf')
    with pytest.raises(ValueError, match='PVT-v2'):
        DDESegBackbone(encoder=dict(type='mmseg.ResNet', depth=18), audio_dims=16)
    with pytest.raises(ValueError, match='first_stride'):
        module(first_stride=3)
