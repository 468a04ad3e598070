"""Parts of AVSegFormer against plain re-implementations."""
import math

import pytest
import torch
import torch.nn.functional as F

from mmicf.models.avsegformer import AVSegFormerTransformer, CrossModalMixer, QueryGenerator
from mmicf.models.avsegformer.head import _QueryMLP
from mmicf.models.avsegformer.losses import squared_dice
from mmicf.models.layers import sine_positions_2d
from mmicf.models.losses import frame_cross_entropy, frame_mean


def attend(module, query, memory):
    """Multi-head attention written out; softmax over whatever keys there are."""
    d, heads = query.shape[-1], module.num_heads
    q, k, v = (x @ w.T for x, w in zip((query, memory, memory), module.in_proj_weight.split(d), strict=True))
    if module.in_proj_bias is not None:
        q, k, v = (x + b for x, b in zip((q, k, v), module.in_proj_bias.split(d), strict=True))
    out = torch.zeros_like(query)
    for h in range(heads):
        part = slice(h * d // heads, (h + 1) * d // heads)
        weight = (q[..., part] @ k[..., part].transpose(-2, -1) / math.sqrt(d / heads)).softmax(-1)
        out[..., part] = weight @ v[..., part]
    return module.out_proj(out)


@pytest.mark.parametrize('frames', [1, 3])
def test_query_generator_is_attention_to_one_audio_token(frames):
    torch.manual_seed(0)
    model = QueryGenerator(num_queries=5, embed_dims=16, num_layers=2, num_heads=4, ffn_dims=24)
    audio = torch.randn(frames, 16)
    found = model(audio)
    assert found.shape == (frames, 5, 16)
    for n in range(frames):
        query, token = model.query.weight[None], audio[n][None, None]
        for layer in model.layers:
            query = layer.norm1(query + attend(layer.self_attn, query, query))
            query = layer.norm2(query + attend(layer.cross_attn, query, token))
            query = layer.norm3(query + layer.ffn[2](F.gelu(layer.ffn[0](query))))
        assert (found[n] - query[0]).abs().max() < 1e-5
    assert all(layer.self_attn.in_proj_bias is None for layer in model.layers)


def test_mixer_equals_a_loop_also_for_one_frame():
    torch.manual_seed(0)
    mixer = CrossModalMixer(embed_dims=8, num_heads=2)
    feature, audio = torch.randn(3, 8, 2, 3), torch.randn(3, 8)
    found = mixer(feature, audio)
    for n in range(3):
        query = mixer.q_proj.weight @ audio[n]
        pixels = feature[n].flatten(1).T  # (6, 8)
        key, value = (pixels @ mixer.kv_proj.weight.T).split(8, 1)
        heard = torch.cat([(key[:, s] @ query[s] / 2).softmax(0) @ value[:, s] for s in (slice(0, 4), slice(4, 8))])
        gate = 1 / (1 + torch.exp(-(mixer.proj.weight @ heard + mixer.proj.bias)))
        assert (found[n] - feature[n] * gate[:, None, None]).abs().max() < 1e-6
        assert (mixer(feature[n:n + 1], audio[n:n + 1]) - found[n:n + 1]).abs().max() < 1e-6
    with pytest.raises(ValueError, match='num_heads=3 must divide embed_dims=8'):
        CrossModalMixer(embed_dims=8, num_heads=3)


def test_positions_count_cells_from_one_without_normalisation():
    code = sine_positions_2d(3, 4, 8, torch.zeros(1), normalize=False)[0].permute(1, 2, 0)
    for y in range(3):
        for x in range(4):
            wanted = [f((cell + 1) / 10000**(2 * i / 4)) for cell in (y, x) for i in range(2) for f in (math.sin, math.cos)]
            assert code[y, x].tolist() == pytest.approx(wanted, abs=1e-6)


def test_encoder_keeps_the_fine_to_coarse_order():
    """A level's own code reaches that level's tokens; each map comes back in its shape; the last decoder output comes back."""
    torch.manual_seed(0)
    model = AVSegFormerTransformer(embed_dims=32, num_layers=1, ffn_dims=16).eval()
    maps = [torch.randn(2, 32, s, s + 1) for s in (4, 2, 1)]
    seen = []
    attention = model.encoder.layers[0].self_attn
    attention.register_forward_pre_hook(lambda _, args: seen.append(args))
    level, query = torch.randn(3, 32), torch.randn(2, 5, 32)
    encoded, decoded = model(maps, level, query)
    (x, position, reference, shapes), = seen
    assert shapes == [(4, 5), (2, 3), (1, 2)]
    assert torch.equal(x, torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1))
    start = 0
    for code, (h, w) in zip(level, shapes, strict=True):
        part = slice(start, start + h * w)
        assert (position[0, part] - sine_positions_2d(h, w, 32, x, normalize=False).flatten(2)[0].T - code).abs().max() < 1e-6
        centres = torch.tensor([[(j + 0.5) / w, (i + 0.5) / h] for i in range(h) for j in range(w)])
        assert (reference[part] - centres).abs().max() < 1e-6
        start += h * w
    assert [m.shape for m in encoded] == [m.shape for m in maps]
    memory = torch.cat([m.flatten(2).transpose(1, 2) for m in encoded], 1)
    layer, = model.decoder.layers
    wanted = layer.norm1(query + attend(layer.self_attn, query, query))
    wanted = layer.norm2(wanted + attend(layer.cross_attn, wanted, memory))
    wanted = layer.norm3(wanted + layer.linear2(F.gelu(layer.linear1(wanted))))
    assert (decoded - wanted).abs().max() < 1e-5


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model = AVSegFormerTransformer(embed_dims=32, num_layers=1, ffn_dims=16)
    maps, args = [torch.randn(1, 32, s, s) for s in (4, 2, 1)], (torch.randn(3, 32), torch.randn(1, 5, 32))
    assert not torch.equal(model(maps, *args)[1], model(maps, *args)[1])
    model.eval()
    assert torch.equal(model(maps, *args)[1], model(maps, *args)[1])


def test_dropout_acts_inside_and_behind_the_feed_forward():
    torch.manual_seed(0)
    model = AVSegFormerTransformer(embed_dims=32, num_layers=1, ffn_dims=64, dropout=0.5)
    for layer in (*model.encoder.layers, *model.decoder.layers):
        inside = []
        layer.linear2.register_forward_pre_hook(lambda _, x, seen=inside: seen.append(x[0]))
        for training, share in ((True, 0.5), (False, 0.)):
            out = layer.train(training).feed_forward(torch.randn(50, 32))
            assert (inside[-1] == 0).float().mean().item() == pytest.approx(share, abs=0.05)
            assert (out == 0).float().mean().item() == pytest.approx(share, abs=0.05)


def test_query_mlp_is_three_convolutions_of_the_query_masks():
    torch.manual_seed(0)
    mlp = _QueryMLP(5, 12, 8)
    queries, feature = torch.randn(2, 5, 8), torch.randn(2, 8, 3, 4)
    x = torch.einsum('nqd,ndhw->nqhw', queries, feature)
    x = mlp.layers[2](mlp.layers[1](mlp.layers[0](x).relu()).relu())
    assert (mlp(queries, feature) - x).abs().max() < 1e-5


def test_dice_is_the_published_formula_and_ignores_255():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 1, 3, 4), torch.randint(0, 2, (2, 3, 4))
    found = squared_dice(logits, labels)
    for n in range(2):
        p, g = [1 / (1 + math.exp(-x)) for x in logits[n].flatten()], labels[n].flatten().tolist()
        overlap = sum(a * b for a, b in zip(p, g, strict=True))
        wanted = 1 - 2 * overlap / (sum(a * a for a in p) + 1e-3 + sum(b * b for b in g) + 1e-3)
        assert found[n].item() == pytest.approx(wanted, abs=1e-6)
    wide = F.pad(labels, (0, 1), value=255), F.pad(logits, (0, 1), value=7.)
    assert (squared_dice(wide[1], wide[0]) - found).abs().max() < 1e-6
    sounding = torch.where(labels == 1, 5, 0)  # any class that is not background sounds
    assert torch.equal(squared_dice(logits, sounding), found)
    exact = squared_dice(torch.where(labels == 1, 50., -50.)[:, None], labels)
    assert exact.max() < 1e-3


def test_semantic_loss_is_a_mean_over_pixels_that_count():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 4, 3, 3), torch.randint(0, 4, (2, 3, 3))
    labels[0, 0] = 255
    labels[1] = 255
    found = frame_cross_entropy(logits, labels)
    scores = logits[0].log_softmax(0)
    wanted = -sum(scores[labels[0, y, x], y, x] for y in (1, 2) for x in range(3)) / 6
    assert found[0].item() == pytest.approx(wanted.item(), abs=1e-6) and found[1] == 0
    assert frame_mean(found).item() == pytest.approx(found[0].item() / 2) and frame_mean(found[:0]) == 0
