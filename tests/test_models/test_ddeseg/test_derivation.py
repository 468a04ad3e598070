"""Equations 5 to 12 against loops over samples, classes and channels."""
import math

import pytest
import torch

from mmicf.models.ddeseg import DynamicDerivation

N, D, K, CLASSES, CLUSTERS, MEMBERS = 3, 6, 2, 5, 3, 4


def module(style, **options):
    torch.manual_seed(0)
    memory = dict(type='SemanticMemory', path='random', classes=[f'c{i}' for i in range(CLASSES)], num_clusters=CLUSTERS,
                  per_cluster=MEMBERS)
    model = DynamicDerivation(embed_dims=D, memory=memory, num_tokens=K, style=style, **options)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return model.double()


def gelu(x):
    return [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]


def linear(layer, x):
    bias = [0.] * layer.out_features if layer.bias is None else layer.bias.tolist()
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(layer.weight.tolist(), bias, strict=True)]


def minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def plus(a, b):
    return [x + y for x, y in zip(a, b, strict=True)]


def times(a, b):
    return [x * y for x, y in zip(a, b, strict=True)]


def tanh(x):
    return [math.tanh(v) for v in x]


def softmax(values):
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


def weighted(edges, weights):
    """Edges times their softmax weights; a weight is one number, or one per channel."""
    columns = [softmax(column) for column in zip(*weights, strict=True)]  # per number of a weight, over edges
    per_edge = list(zip(*columns, strict=True))
    return [times(e, w * D if len(w) == 1 else w) for e, w in zip(edges, per_edge, strict=True)]


def expected(model, audio):
    """One sample's derived and refined sounds."""
    memory = model.memory
    centers, features = memory.centers.tolist(), memory.features.tolist()
    distance = [math.dist(audio, c) for c in centers]
    chosen = sorted(range(CLASSES), key=distance.__getitem__)[:K]
    edges = [gelu(linear(model.class_edge, minus(centers[c], audio))) for c in chosen]  # Eq. 5
    edges = weighted(edges, [linear(model.class_weight, e) for e in edges])  # Eq. 6
    offsets = [tanh(linear(model.class_offset, plus(audio, e))) for e in edges]  # Eq. 7
    derived = [plus(audio, o if model.style == 'paper' else times(audio, o)) for o in offsets]  # Eq. 8
    refined = []
    for a, c in zip(derived, chosen, strict=True):
        if model.style == 'paper':
            offsets = []
            for cluster in features[c]:
                edges = [gelu(linear(model.intra_edge, minus(x, a))) for x in cluster]  # Eq. 9
                edges = weighted(edges, [linear(model.intra_weight, e) for e in edges])
                edge = [sum(column) for column in zip(*edges, strict=True)]  # Eq. 10
                offsets.append(tanh(linear(model.intra_offset, edge)))  # Eq. 11
            mean = [sum(column) / CLUSTERS for column in zip(*offsets, strict=True)]
            refined.append(times(a, [1 + v for v in mean]))  # Eq. 12
        else:
            entries = [x for cluster in features[c] for x in cluster]
            edges = [gelu(linear(model.intra_edge, minus(x, a))) for x in entries]
            edges = weighted(edges, [linear(model.intra_weight, e) for e in edges])
            each = [times(a, [1 + v for v in tanh(linear(model.intra_offset, plus(a, e)))]) for e in edges]
            refined.append([sum(column) for column in zip(*each, strict=True)])
    return derived, refined


@pytest.mark.parametrize('style', ['paper', 'released'])
def test_equations_5_to_12(style):
    model = module(style)
    audio = torch.randn(N, D, dtype=torch.float64)
    with torch.no_grad():
        chosen = model.memory.nearest(audio, K)
        derived = model.derive(audio, model.memory.centers[chosen])
        refined = model(audio)
    truth = [expected(model, a) for a in audio.tolist()]
    torch.testing.assert_close(derived, torch.tensor([t[0] for t in truth], dtype=torch.float64))
    torch.testing.assert_close(refined, torch.tensor([t[1] for t in truth], dtype=torch.float64))


def test_without_enhancement_the_derived_sounds_are_returned():
    model, full = module('paper', enhance=False), module('paper')
    assert not any('intra' in name for name, _ in model.named_parameters())
    model.load_state_dict(full.state_dict(), strict=False)
    audio = torch.randn(N, D, dtype=torch.float64)
    with torch.no_grad():
        truth = [expected(full, a)[0] for a in audio.tolist()]
        torch.testing.assert_close(model(audio), torch.tensor(truth, dtype=torch.float64))


def test_a_sample_does_not_depend_on_the_others():
    model, audio = module('paper'), torch.randn(40, D, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(audio)[7:8], model(audio[7:8]), rtol=1e-12, atol=1e-12)


def test_refuses_no_memory_and_unknown_style():
    with pytest.raises(ValueError, match='build_semantic_memory'):
        DynamicDerivation(embed_dims=D, memory=None)
    with pytest.raises(ValueError, match='style'):
        module('printed')
