import torch

from mmicf.models.layers import masked_mean
from mmicf.models.necks import AVFusionNeck


def neck_and_inputs():
    torch.manual_seed(0)
    neck = AVFusionNeck(in_channels=[6, 10], audio_dims=5, embed_dims=8)
    return neck, [torch.randn(3, 6, 4, 4), torch.randn(3, 10, 2, 2)], torch.randn(3, 5)


def test_fresh_neck_leaves_maps_alone():
    neck, maps, audio = neck_and_inputs()
    out, token = neck(maps, audio)
    assert all(torch.equal(a, b) for a, b in zip(out, maps, strict=True))
    assert torch.equal(neck([x + 1 for x in maps], audio)[1], token)  # and the token the sound alone


def test_maps_hear_the_sound_of_their_own_frame():
    neck, maps, audio = neck_and_inputs()
    for layer in (*neck.write, neck.look.out):
        torch.nn.init.normal_(layer.weight)
    assert not torch.allclose(neck([x + 1 for x in maps], audio)[1], neck(maps, audio)[1])
    before, token = neck(maps, audio)
    audio[1] += 1
    after, changed = neck(maps, audio)
    for a, b in zip([*before, token], [*after, changed], strict=True):
        assert torch.equal(a[[0, 2]], b[[0, 2]]) and not torch.allclose(a[1], b[1])
    sum(x.square().mean() for x in [*after, changed]).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in neck.named_parameters() if n != 'look.key.bias')


def test_masked_mean_equals_a_loop():
    x, weight = torch.randn(2, 3, 4, 5), torch.rand(2, 4, 5)
    plain = torch.stack([sum(w * x[i, :, r, c] for (r, c), w in zip(((r, c) for r in range(4) for c in range(5)),
                                                                   weight[i].flatten(), strict=True)) for i in range(2)])
    assert torch.allclose(masked_mean(x, weight), plain / weight.sum((1, 2))[:, None], atol=1e-5)
    assert masked_mean(x, torch.zeros(2, 4, 5)).abs().sum() == 0
