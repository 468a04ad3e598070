import pytest
import torch
import torch.nn.functional as F

from mmicf.models.necks import ChannelAttention, ClipContext, MITNeck, segment_starts


@pytest.mark.parametrize('frames, segments, starts, window', [(5, 2, [0, 2], 3), (10, 4, [0, 3, 6, 7], 3), (10, 2, [0, 5], 5),
                                                              (1, 2, [0], 1), (4, 4, [0, 1, 2, 3], 1), (5, 4, [0, 2, 3], 2)])
def test_segment_windows(frames, segments, starts, window):
    assert segment_starts(frames, segments) == (starts, window)


def test_channel_attention_equals_equation_1_and_2():
    layer, x = ChannelAttention(4), torch.randn(1, 3, 4, 5, 6)
    query, key, value = ([c(f)[0].flatten(1) for f in x[0].split(1)] for c in (layer.query, layer.key, layer.value))
    rows = [(t, c) for t in range(3) for c in range(4)]
    out = torch.empty_like(x)
    for t, c in rows:
        logits = torch.stack([F.normalize(query[t][c], dim=0) @ F.normalize(key[u][d], dim=0) for u, d in rows])
        weights = (logits / layer.log_temperature.exp()).softmax(0)
        mixed = sum(w * value[u][d] for w, (u, d) in zip(weights, rows, strict=True))
        out[0, t, c] = x[0, t, c] + mixed.view(5, 6)
    assert torch.allclose(layer(x), out, atol=1e-5)


def neck_and_maps(frames):
    torch.manual_seed(0)
    neck = MITNeck(in_channels=[8, 16, 24, 40], embed_dims=32, num_segments=2)
    for scale in neck.scales:
        torch.nn.init.normal_(scale.output_proj.weight)
    return neck, [torch.randn(frames, c, s, s) for c, s in zip((8, 16, 24, 40), (16, 8, 4, 2), strict=True)]


def test_a_clip_does_not_see_its_batch():
    neck, maps = neck_and_maps(8)
    together, context = neck(maps, torch.tensor([0, 0, 0, 0, 0, 1, 1, 1]))
    for part in (slice(0, 5), slice(5, 8)):
        alone, alone_context = neck([m[part] for m in maps], torch.zeros(len(maps[0][part]), dtype=torch.long))
        for a, b in zip([*together, *context[:3]], [*alone, *alone_context[:3]], strict=True):
            assert torch.allclose(a[part], b, atol=1e-5)


def test_levels_see_what_they_should():
    """A change of frame 4 reaches frame 0 through the video level; the fresh neck passes maps unchanged."""
    neck, maps = neck_and_maps(5)
    index = torch.zeros(5, dtype=torch.long)
    changed = [m.clone() for m in maps]
    changed[-1][4] = torch.randn_like(changed[-1][4])
    before, after = neck(maps, index)[1], neck(changed, index)[1]
    assert not torch.allclose(before.video[0], after.video[0])
    fresh = MITNeck(in_channels=[8, 16, 24, 40], embed_dims=32)
    assert all(torch.equal(a, b) for a, b in zip(fresh(maps, index)[0], maps, strict=True))


def test_every_parameter_of_the_neck_gets_a_gradient():
    neck, maps = neck_and_maps(5)
    sum(x.square().sum() for x in neck(maps, torch.zeros(5, dtype=torch.long))[0]).backward()
    assert [n for n, p in neck.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_a_frame_in_two_windows_keeps_the_first():
    """T=5, two segments: windows 0-2 and 2-4, frame 2 is taken from the first."""
    torch.manual_seed(0)
    context, x = ClipContext(8, 32, 2), torch.randn(2, 5, 32, 3, 4)
    expected = torch.cat([context.segment(x[:, :3]), context.segment(x[:, 2:])[:, 1:]], 1)
    assert torch.allclose(context._segments(x), expected, atol=1e-6)
    assert not torch.allclose(context.segment(x[:, :3])[:, 2], context.segment(x[:, 2:])[:, 0], atol=1e-3)


def test_the_frame_level_attends_to_the_video_level():
    neck, maps = neck_and_maps(5)
    for scale, x in zip(neck.scales, maps[-2:], strict=True):
        seen = []
        scale.cross.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args))
        video, _, frame = scale.levels(x[None])
        scale(x[None])
        (query, context), = seen
        assert torch.equal(query, frame) and torch.equal(context, video) and not torch.allclose(frame, video, atol=1e-3)
