"""The fusion of section 3.3 and its released form, with projections over the pixels written out."""
import pytest
import torch

from mmicf.models.ddeseg import FeatureFusion, GatedFusion

N, S, K, C, HEADS = 2, 9, 3, 8, 4


def module(cls):
    torch.manual_seed(0)
    model = cls(C, HEADS)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.6)
    return model.double()


def test_feature_fusion():
    model = module(FeatureFusion)
    pixels, sounds = torch.randn(N, S, C, dtype=torch.float64), torch.randn(N, K, C, dtype=torch.float64)
    truth, c = pixels.clone(), C // HEADS
    with torch.no_grad():
        for n in range(N):
            q, k, v = model.query(sounds[n]), model.key(pixels[n]), model.value(pixels[n])
            found, weights = torch.zeros(K, C, dtype=torch.float64), []
            for h in range(HEADS):
                own = slice(h * c, (h + 1) * c)
                weights.append(q[:, own] @ k[:, own].T / c**0.5)  # sounds × pixels
                found[:, own] = weights[h].softmax(1) @ v[:, own]
            fused = sounds[n] + model.out(found)
            for h, weight in enumerate(weights):
                truth[n, :, h * c:(h + 1) * c] += weight.softmax(0).T @ fused[:, h * c:(h + 1) * c]
        torch.testing.assert_close(model(pixels, sounds), truth)


def test_gated_fusion():
    model = module(GatedFusion)
    pixels, sound = torch.randn(N, S, C, dtype=torch.float64), torch.randn(N, C, dtype=torch.float64)
    truth, c = pixels.clone(), C // HEADS
    with torch.no_grad():
        for n in range(N):
            for s in range(S):
                q, k, v = model.query(pixels[n, s]), model.key(sound[n]), model.value(sound[n])
                for h in range(HEADS):
                    own = slice(h * c, (h + 1) * c)
                    truth[n, s, own] += torch.sigmoid(q[own] @ k[own] / c**0.5) * v[own]
        torch.testing.assert_close(model(pixels, sound), truth)


@pytest.mark.parametrize('cls', [FeatureFusion, GatedFusion])
def test_refuses_heads_that_do_not_divide(cls):
    with pytest.raises(ValueError, match='num_heads'):
        cls(10, 4)
