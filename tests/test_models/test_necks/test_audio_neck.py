"""Audio tokens of a clip."""
import torch

from mmicf.models.necks import AudioNeck


def neck(mixing=False):
    torch.manual_seed(0)
    model = AudioNeck(in_channels=12, embed_dims=16, num_heads=4)
    if mixing:
        torch.nn.init.normal_(model.attn.out.weight)
    return model


def test_a_fresh_token_is_the_sound_of_its_own_second_and_mixing_is_learned():
    audio, clips = torch.randn(5, 12), torch.zeros(5, dtype=torch.long)
    other = torch.cat([audio[:1], torch.randn(4, 12)])
    model = neck()
    assert torch.equal(model(audio, clips)[0], model(other, clips)[0])
    model(audio, clips)[0].square().sum().backward()
    assert model.attn.out.weight.grad.abs().sum() > 0
    model = neck(mixing=True)
    assert not torch.allclose(model(audio, clips)[0], model(other, clips)[0], atol=1e-3)


def test_clips_do_not_hear_each_other_and_order_counts():
    audio, model = torch.randn(5, 12), neck(mixing=True)
    both = model(audio, torch.tensor([0, 0, 0, 1, 1]))
    assert torch.allclose(both[:3], model(audio[:3], torch.zeros(3, dtype=torch.long)), atol=1e-6)
    turned = model(audio[:3].flip(0), torch.zeros(3, dtype=torch.long)).flip(0)
    assert not torch.allclose(both[:3], turned, atol=1e-3)
