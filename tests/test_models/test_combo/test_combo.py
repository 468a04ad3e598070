"""COMBO: fusion, query audio, consistency, maskiges, published size and tensors."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.models.combo import COMBO, BilateralFusion, COMBOQueryDecoder
from mmicf.models.combo.released_names import pixel_decoder_name, released_name
from mmicf.models.layers import MultiHeadAttention, sine_positions_2d
from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVFeatures
from mmicf.utils.conversion import rename
from mmicf.utils.dummy_inputs import dummy_batch

CHANNELS = [16, 16, 32, 32]  # the gates squeeze 16 to 1


def test_fusion_equals_a_loop_over_heads_and_pixels():
    torch.manual_seed(0)
    fusion = BilateralFusion(8, 6, 8, 2).eval()
    nn.init.normal_(fusion.gamma_v)
    nn.init.normal_(fusion.gamma_a)
    maps, audio = torch.randn(2, 8, 3, 2), torch.randn(2, 6)
    out, heard = fusion(maps, audio)
    position = sine_positions_2d(3, 2, 8, maps)[0].flatten(1).T
    for n in range(2):
        v = fusion.norm_v(maps[n].flatten(1).T + fusion.level_embed.weight)
        a = fusion.norm_a(audio[n])
        to_v, to_a = torch.zeros(6, 8), torch.zeros(8)
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            query = fusion.v_proj(v + position)[:, part]
            key = fusion.a_proj(a + fusion.audio_pos.weight[0])[part]
            logits = torch.stack([query[p] @ key / 2 for p in range(6)])
            share = logits.exp() / logits.exp().sum()
            for p in range(6):
                to_v[p, part] = share[p] * fusion.values_a_proj(a)[part]
                to_a[part] += share[p] * fusion.values_v_proj(v)[p, part]
        expected = v + fusion.gamma_v * fusion.out_v_proj(to_v)
        assert torch.allclose(out[n].flatten(1).T, expected, atol=1e-5)
        assert torch.allclose(heard[n], a + fusion.gamma_a * fusion.out_a_proj(to_a), atol=1e-5)


def test_audio_of_queries():
    decoder = COMBOQueryDecoder(embed_dims=8, num_queries=100, num_layers=1)
    audio = torch.arange(5.)[:, None].expand(5, 8)
    assert torch.equal(decoder.audio_of_queries(audio), audio[:, None])
    released = COMBOQueryDecoder(embed_dims=8, num_queries=100, num_layers=1, audio_query_layout='released')
    # What the published code does: repeat, then read the same memory in another shape.
    expected = audio[:, None].repeat(1, 100, 1).reshape(100, 5, 8).transpose(0, 1)
    out = released.audio_of_queries(audio)
    assert torch.equal(out, expected) and torch.equal(out[3, :20, 0], torch.zeros(20)) and (out[3, 60:80, 0] == 3).all()
    with pytest.raises(ValueError, match='random'):
        COMBOQueryDecoder(audio_query_layout='random')


def head(**options):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='COMBOHead', num_classes=2, embed_dims=32, audio_dims=6, audio_hidden_dims=16,
        pixel_decoder=dict(type='MSDeformAttnPixelDecoder', in_channels=CHANNELS, num_layers=1, ffn_dims=32),
        decoder=dict(type='COMBOQueryDecoder', num_queries=10, num_layers=3, ffn_dims=32,
                     audio_query_layout=options.pop('layout', 'fixed')),
        loss=dict(type='MaskMatchingLoss', class_loss='ce', loss_weights=(2., 5., 5.), num_points=64), **options))


def features(lengths):
    g = torch.Generator().manual_seed(1)
    n = sum(lengths)
    return AVFeatures([torch.randn(n, c, s, s, generator=g) for c, s in zip(CHANNELS, (16, 8, 4, 2), strict=True)],
                      torch.randn(n, 6, generator=g), torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)))


def attend(layer, query, key, value, allowed=None):
    """Multi-head attention of one frame written out; ``allowed`` (Q, S)."""
    out, size = [], query.shape[-1] // layer.num_heads
    for h in range(layer.num_heads):
        part = slice(h * size, (h + 1) * size)
        logits = layer.query(query)[:, part] @ layer.key(key)[:, part].T / size**0.5
        if allowed is not None:
            logits[~allowed] = -torch.inf
        out.append(logits.softmax(-1) @ layer.value(value)[:, part])
    return layer.out(torch.cat(out, 1))


@torch.no_grad()
def test_head_equals_a_loop_over_frames_and_layers():
    model, x = head().train(), features([2, 1])
    model.fusion.dropout.p = 0.
    for gamma in (model.fusion.gamma_v, model.fusion.gamma_a):
        assert (gamma == 1e-4).all()  # as published
        nn.init.normal_(gamma)
    for layer in list(model.mask_embed)[::2]:  # masks start undecided; here they cut the attention
        nn.init.normal_(layer.weight, std=0.3)
    outputs, cut = model(x), []
    decoder, (unfused, memory) = model.decoder, model.pixel_decoder(x.maps)
    assert [m.shape[-1] for m in memory] == [2, 4, 8]  # strides 32, 16, 8
    fused, heard = model.fusion(unfused, x.audio)
    audio = model.audio_mlp(heard)
    for n in range(3):
        query, position = decoder.query_feat.weight + audio[n], decoder.query_embed.weight
        for i in range(len(decoder.layers) + 1):
            normed = model.query_norm(query)
            masks = torch.einsum('qd,dhw->qhw', model.mask_embed(normed), fused[n])
            assert torch.allclose(outputs.mask_logits[i][n], masks, atol=1e-4)
            assert torch.allclose(outputs.class_logits[i][n], model.cls_embed(normed), atol=1e-4)
            if i == len(decoder.layers):
                break
            layer, level = decoder.layers[i], memory[i % 3][n]
            pixels = level.flatten(1).T + decoder.level_embed.weight[i % 3]
            where = sine_positions_2d(*level.shape[-2:], 32, level)[0].flatten(1).T
            allowed = nn.functional.interpolate(masks[None], level.shape[-2:], mode='bilinear')[0].flatten(1) > 0
            allowed[~allowed.any(1)] = True
            cut.append(not allowed.all())
            query = layer.norms[0](query + attend(layer.cross_attn, query + position, pixels + where, pixels, allowed))
            query = layer.norms[1](query + attend(layer.self_attn, query + position, query + position, query))
            query = layer.norms[2](query + layer.ffn[2](layer.ffn[0](query).relu()))
    assert sum(cut) > len(cut) / 2
    assert torch.allclose(outputs.audio_token, audio, atol=1e-5) and torch.equal(outputs.mask_features, fused)


def test_consistency_is_the_published_sum():
    model, x = head().train(), features([7, 2])
    data = dummy_batch(clips=2, frames=1, size=(64, 64))['data_samples']
    data[0].frames, data[1].frames = data[0].frames * 7, data[1].frames * 2
    outputs = model(x)
    assert len(outputs.mask_logits) == 4
    total, pairs = 0, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (7, 8)]  # 4 → 5 crosses a run of five
    for masks in outputs.mask_logits[:-1]:
        for a, b in pairs:
            p, q = masks[a].flatten(), masks[b].flatten()
            d = 1 - p @ q / (p.norm() * q.norm())
            total = total + d * torch.exp(-d) / len(pairs)
    assert torch.allclose(model.loss(outputs, data)['loss_consistency'], 10 * total, rtol=1e-4)
    assert 'loss_consistency' not in head(consistency_weight=0.).loss(outputs, data)
    one = head().train()
    assert one._consistency(one(features([1]))) == 0


def test_prediction_depends_on_other_clips_only_in_the_released_layout():
    x = features([2, 3])
    alone = AVFeatures([m[2:] for m in x.maps], x.audio[2:], torch.zeros(3, dtype=torch.long))
    for layout, same in (('fixed', True), ('released', False)):
        model = head(layout=layout).eval()
        with torch.no_grad():
            both, one = model(x).class_logits[-1][2:], model(alone).class_logits[-1]
        assert torch.allclose(both, one, atol=1e-5) == same


class Encoder(nn.Module):
    """Stands for a backbone: average pooling and one projection per map."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, c, 4 * 2**i, stride=4 * 2**i) for i, c in enumerate(CHANNELS)])

    def forward(self, x):
        return [conv(x) for conv in self.convs]


@pytest.fixture
def encoder():
    MODELS.register_module(name='ComboTestEncoder', module=Encoder)
    yield dict(type='ComboTestEncoder')
    MODELS.module_dict.pop('ComboTestEncoder')


def combo(encoder, maskige_encoder):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    return COMBO(data_preprocessor=dict(type='AVDataPreprocessor'), backbone=encoder,
                 audio_backbone=dict(type='VGGish', channels=(4, 4, 4, 4), hidden_dims=8, out_dims=6, frozen=False),
                 decode_head=dict(type='COMBOHead', num_classes=2, embed_dims=32, audio_dims=6, audio_hidden_dims=16,
                                  pixel_decoder=dict(type='MSDeformAttnPixelDecoder', in_channels=CHANNELS, num_layers=1,
                                                     ffn_dims=32),
                                  decoder=dict(type='COMBOQueryDecoder', num_queries=5, num_layers=3, ffn_dims=32),
                                  loss=dict(type='MaskMatchingLoss', class_loss='ce', num_points=64)),
                 maskige_encoder=maskige_encoder, maskige_channels=CHANNELS if maskige_encoder else None)


def test_maskiges_are_gated_and_added(encoder):
    frames, maskiges = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
    batch = AVBatch(frames, torch.zeros(2, dtype=torch.long), maskiges=maskiges)
    own, shared, off = combo(encoder, encoder), combo(encoder, 'shared'), combo(encoder, None)
    for model, second in ((own, own.maskige_backbone), (shared, shared.backbone)):
        for i, x in enumerate(model.extract_maps(batch)):
            y = second.convs[i](maskiges)
            gate = model.maskige_gates[i]
            hidden = gate.fc1(y.mean((2, 3))).clamp(min=0)
            weight = 1 / (1 + (-gate.fc2(hidden)).exp())
            assert torch.allclose(x, model.backbone.convs[i](frames) + weight[:, :, None, None] * y, atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(off.extract_maps(batch), off.backbone(frames), strict=True))
    assert not list(off.maskige_gates.parameters()) and shared.maskige_backbone is None
    with pytest.raises(ValueError, match='LoadMaskiges'):
        own.extract_maps(batch._replace(maskiges=None))
    with pytest.raises(ValueError, match='twice'):
        combo(encoder, 'twice')
    data = dummy_batch(clips=2, frames=2, size=(64, 64))
    data['inputs'] = data['inputs']._replace(maskiges=tuple(f.flip(-1) for f in data['inputs'].frames))
    data = own.data_preprocessor(data, True)
    assert torch.equal(data['inputs'].maskiges, data['inputs'].frames.flip(-1))
    sum(v for k, v in own.train()(**data, mode='loss').items() if 'loss' in k).backward()
    assert [n for n, p in own.named_parameters() if p.requires_grad and p.grad is None] == []


def test_stacked_projections_are_taken_apart():
    """What torch's attention computes from the published tensor, ours computes from its three parts."""
    torch.manual_seed(0)
    theirs, ours = nn.MultiheadAttention(16, 4, batch_first=True), MultiHeadAttention(16, 4)
    prefix = 'sem_seg_head.predictor.transformer_self_attention_layers.0.self_attn.'
    state = rename({prefix + k: v for k, v in theirs.state_dict().items()}, released_name).state
    ours.load_state_dict({k.removeprefix('decode_head.decoder.layers.0.self_attn.'): v for k, v in state.items()})
    query, key, value = torch.randn(2, 3, 16), torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    assert torch.allclose(ours(query, key, value), theirs(query, key, value)[0], atol=1e-5)


def test_released_names():
    assert pixel_decoder_name('adapter_1.norm.weight') == 'lateral_convs.0.gn.weight'
    assert pixel_decoder_name('input_proj.2.1.bias') == 'input_convs.2.gn.bias'
    assert released_name('criterion.empty_weight') == []
    assert released_name('sem_seg_head.predictor.mask_embed.layers.2.bias') == ['decode_head.mask_embed.4.bias']


@pytest.mark.parametrize('name', ['combo_pvt_ms3', 'combo_pvt_ms3_no-maskiges'])
def test_published_size(name):
    init_default_scope('mmicf')
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(f'configs/combo/{name}.py').model)
    counts = [sum(p.numel() for p in model.parameters() if p.requires_grad or all_) / 1e6 for all_ in (True, False)]
    if name == 'combo_pvt_ms3':
        assert counts == pytest.approx([273.507, 201.366], abs=1e-3)
    else:  # less a PVT-v2-B5 and the gates
        assert counts == pytest.approx([273.507 - 81.443 - 0.049, 201.366 - 81.443 - 0.049], abs=2e-3)
