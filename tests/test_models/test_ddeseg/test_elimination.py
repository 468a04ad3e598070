"""Equations 13 to 17 against loops, and the five schemes of Table 4."""
import math

import pytest
import torch

from mmicf.models.ddeseg import SCHEMES, DynamicElimination

N, K, C, HEADS, CENTERS, S = 2, 3, 8, 4, 5, 7


def module(scheme=5, style='paper'):
    torch.manual_seed(0)
    model = DynamicElimination(embed_dims=C, num_centers=CENTERS, num_heads=HEADS, temperature=0.7, scheme=scheme, style=style)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.7)
    return model.double().eval()


def inputs():
    torch.manual_seed(1)
    return torch.randn(N, K, C, dtype=torch.float64), torch.randn(N, S, C, dtype=torch.float64)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def linear(layer, x):
    if isinstance(layer, torch.nn.Identity):
        return x
    bias = [0.] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [dot(row, x) + b for row, b in zip(layer.weight.tolist(), bias, strict=True)]


def softmax(values):
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


def attention(model, tokens, pixels):
    """Eq. 15, one sample."""
    layer, size, out = model.attention, C // HEADS, []
    keys, values = [linear(layer.key, p) for p in pixels], [linear(layer.value, p) for p in pixels]
    for token in tokens:
        query, row = linear(layer.query, token), []
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            weight = softmax([dot(query[part], key[part]) / math.sqrt(size) for key in keys])
            row += [dot(weight, [v[part][i] for v in values]) for i in range(size)]
        out.append(linear(layer.out, row))
    return out


def mixtures(model, pixels, assign):
    """Eq. 13 without noise, and Eq. 14."""
    centers, out = model.centers.tolist(), []
    for pixel in pixels:
        weight = softmax([assign(pixel, c) / model.temperature for c in centers])
        out.append([dot(weight, [c[i] for c in centers]) for i in range(C)])
    return out


def expected(model, tokens, pixels):
    if model.scheme == 1:
        return [1.] * K
    if model.scheme == 3:
        tokens = attention(model, tokens, pixels)
    elif model.scheme == 4:
        tokens = attention(model, tokens, mixtures(model, pixels, lambda p, c: -math.dist(p, c)**2))
    elif model.scheme == 5:
        tokens = attention(model, tokens, mixtures(model, pixels, dot))
    scores = [linear(model.score, t)[0] for t in tokens]  # Eq. 16
    return [1 / (1 + math.exp(-s)) for s in scores] if model.style == 'paper' else softmax(scores)


@pytest.mark.parametrize('style', ['paper', 'released'])
@pytest.mark.parametrize('scheme', SCHEMES)
def test_equations_13_to_16_and_the_schemes(scheme, style):
    model, (tokens, pixels) = module(scheme, style), inputs()
    with torch.no_grad():
        got = model(tokens, pixels)
    truth = [expected(model, t, p) for t, p in zip(tokens.tolist(), pixels.tolist(), strict=True)]
    torch.testing.assert_close(got, torch.tensor(truth, dtype=torch.float64), rtol=1e-5, atol=1e-6)  # the assignment is float32


def test_schemes_differ():
    tokens, pixels = inputs()
    with torch.no_grad():
        scores = [module(scheme)(tokens, pixels) for scheme in SCHEMES]
    assert all((a - b).abs().max() > 1e-3 for i, a in enumerate(scores) for b in scores[:i])


def test_noise_in_training_only():
    model, (tokens, pixels) = module(), inputs()
    with torch.no_grad():
        assert torch.equal(model(tokens, pixels), model(tokens, pixels))
        model.train()
        assert not torch.equal(model(tokens, pixels), model(tokens, pixels))
        quiet = module(4).train()
        assert torch.equal(quiet(tokens, pixels), quiet(tokens, pixels))


@pytest.mark.parametrize('temperature', [1., 0.4])
def test_noise_is_gumbel(temperature):
    """Arg-max of logits plus Gumbel noise follows their softmax, whatever the temperature: it divides their sum (Eq. 13)."""
    model = DynamicElimination(embed_dims=8, num_centers=3, temperature=temperature).train()
    with torch.no_grad():
        model.centers.copy_(torch.tensor([0., 0.5, 1.2])[:, None] * torch.eye(8)[:1])
        pixels = torch.eye(8)[:1].expand(1, 40000, 8)
        torch.manual_seed(0)
        chosen = model.assign(pixels).argmax(-1).flatten().bincount(minlength=3) / 40000
    torch.testing.assert_close(chosen, torch.tensor([0., 0.5, 1.2]).softmax(0), atol=0.02, rtol=0)


def test_a_frame_does_not_depend_on_the_others():
    model, (tokens, pixels) = module(), inputs()
    with torch.no_grad():
        torch.testing.assert_close(model(tokens, pixels)[1:], model(tokens[1:], pixels[1:]))


def test_refuses_unknown_scheme():
    with pytest.raises(ValueError, match='scheme'):
        DynamicElimination(embed_dims=8, scheme=6)
    with pytest.raises(ValueError, match='num_heads'):
        DynamicElimination(embed_dims=12, num_heads=8)
