import pytest
import torch

from mmicf.models.layers import MSDeformAttention
from mmicf.models.layers import ms_deform_attn as module

SHAPES = [(3, 4), (6, 7), (12, 13)]


def plain_sampling(value, shapes, reference, offsets, weights):
    """Eq. 3 of Deformable DETR, one sample at a time."""
    n, _, heads, c = value.shape
    out = torch.zeros(n, len(reference), heads, c, dtype=value.dtype)
    for index in torch.cartesian_prod(*[torch.arange(s) for s in offsets.shape[:5]]).tolist():
        b, q, head, level, point = index
        h, w = shapes[level]
        start = sum(a * b_ for a, b_ in shapes[:level])
        grid = value[b, start:start + h * w, head].view(h, w, c)
        x = reference[q, 0] * w - 0.5 + offsets[b, q, head, level, point, 0]
        y = reference[q, 1] * h - 0.5 + offsets[b, q, head, level, point, 1]
        for i in (int(y.floor()), int(y.floor()) + 1):
            for j in (int(x.floor()), int(x.floor()) + 1):
                if 0 <= i < h and 0 <= j < w:
                    out[b, q, head] += weights[tuple(index)] * (1 - (y - i).abs()) * (1 - (x - j).abs()) * grid[i, j]
    return out.flatten(2)


def inputs(n=2, queries=5, heads=2, points=3, c=4):
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(n, sum(h * w for h, w in SHAPES), heads, c, generator=generator, dtype=torch.float64)
    reference = torch.rand(queries, 2, generator=generator, dtype=torch.float64)
    offsets = 6 * torch.randn(n, queries, heads, 3, points, 2, generator=generator, dtype=torch.float64)  # many leave the map
    weights = torch.rand(n, queries, heads, 3, points, generator=generator, dtype=torch.float64)
    return value, SHAPES, reference, offsets, weights


@pytest.mark.parametrize('training', [True, False])
def test_sampling_equals_the_formula(training):
    args = inputs()
    with torch.set_grad_enabled(training):
        assert torch.allclose(module.ms_deform_attn_sampling(*args), plain_sampling(*args), atol=1e-10)


def test_both_paths_and_their_gradients_agree(monkeypatch):
    results = []
    for path in (module._sample_grid, module._sample_bags):
        monkeypatch.setattr(module, '_sample_grid', path)
        value, shapes, reference, offsets, weights = inputs()
        leaves = [x.requires_grad_() for x in (value, offsets, weights)]
        module.ms_deform_attn_sampling(value, shapes, reference, offsets, weights).square().sum().backward()
        results.append([x.grad for x in leaves])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-8)


@pytest.mark.skipif(module._CompiledSampling is None or not torch.cuda.is_available(), reason="needs mmcv's CUDA op")
def test_compiled_op_agrees():
    args = [x.float() if torch.is_tensor(x) else x for x in inputs(n=65)]  # clips of AVSS on one GPU may have more than 64 frames
    cuda = [x.cuda() if torch.is_tensor(x) else x for x in args]
    assert torch.allclose(module.ms_deform_attn_sampling(*cuda).cpu(), module.ms_deform_attn_sampling(*args), atol=1e-5)


def test_attention_starts_as_the_mean_over_its_ring():
    """Fresh weights: zero attention logits and offsets that do not depend on the query."""
    layer = MSDeformAttention(16, 4, 3, 2)
    x = torch.randn(1, sum(h * w for h, w in SHAPES), 16)
    reference = torch.full((x.shape[1], 2), 0.5)
    out = layer(x, torch.randn_like(x), reference, SHAPES)
    assert torch.allclose(out, out[:, :1].expand_as(out), atol=1e-6)


@pytest.mark.parametrize('training', [True, False])
def test_attention_runs_under_bfloat16_autocast(training):
    torch.manual_seed(0)
    layer = MSDeformAttention(16, 4, 3, 2)
    x, reference = torch.randn(1, sum(h * w for h, w in SHAPES), 16), torch.rand(sum(h * w for h, w in SHAPES), 2)
    position = torch.randn_like(x)
    with torch.set_grad_enabled(training):
        full = layer(x, position, reference, SHAPES)
        with torch.autocast('cpu', torch.bfloat16):
            half = layer(x, position, reference, SHAPES)
    assert (half.float() - full).abs().max() < 0.05 * full.abs().max()
