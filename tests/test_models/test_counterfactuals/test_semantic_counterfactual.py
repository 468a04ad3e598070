"""SC and its variants: pools, losses, what learns from what, independence of batch and padding."""
import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope

from mmicf.models.counterfactuals import PrecomputedCounterfactual
from mmicf.models.counterfactuals.denoiser import TokenDenoiser
from mmicf.models.counterfactuals.rotation import weighted_mean
from mmicf.registry import MODELS
from mmicf.structures import FactualText

D, T = 16, 3
NAMES = ('SemanticCounterfactual', 'FeatureLevelCounterfactual', 'DiscreteCounterfactual', 'PairSwapCounterfactual')


def build(name='SemanticCounterfactual', **options):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    dims = {} if name == 'PairSwapCounterfactual' else dict(embed_dims=D)
    extra = dict(denoiser_dims=32) if name == 'SemanticCounterfactual' else {}
    model = MODELS.build(dict(type=name, num_counterfactuals=2, **dims, **{**extra, **options}))
    for module in model.modules():  # closed gates open, so that visual tokens and time matter
        if hasattr(module, 'modulation'):
            torch.nn.init.normal_(module.modulation.weight, std=0.3)
    if hasattr(model, 'denoiser'):
        torch.nn.init.normal_(model.denoiser.output.weight, std=0.3)
    return model


def clips(counts=(4, 2, 3), seed=0):
    """Factual text of clips with so many tokens, visual tokens and names."""
    g = torch.Generator().manual_seed(seed)
    most = max(counts)
    valid = torch.arange(most) < torch.tensor(counts)[:, None]
    tokens = F.layer_norm(torch.randn(len(counts), most, D, generator=g), (D, )) * valid[..., None]
    weight = torch.randn(len(counts), most, generator=g).masked_fill(~valid, -torch.inf).softmax(1)
    text = FactualText(tokens, weight, valid, torch.randn(len(counts), 5, generator=g), torch.randn(len(counts), 5, generator=g))
    visual = torch.randn(len(counts), T, D, generator=g)
    visible = torch.arange(T) < torch.tensor([T, 1, 2][:len(counts)])[:, None]
    return text, visual * visible[..., None], visible, [f'clip{i}' for i in range(len(counts))]


def pick(batch, rows, tokens, frames):
    """The batch of some clips, cut to their own tokens and frames."""
    text, visual, visible, names = batch
    text = FactualText(*(x[rows, :tokens] if x.shape[1] == text.valid.shape[1] else x[rows] for x in text))
    return text, visual[rows, :frames], visible[rows, :frames], [names[i] for i in rows]


@pytest.mark.parametrize('name', NAMES)
def test_pools_have_the_form_of_the_text(name):
    text, visual, visible, names = clips()
    pool, losses, logs = build(name)(text, visual, visible, names)
    assert pool.tokens.shape == (3, 2, 4, D) and pool.weight.shape == (3, 2)
    assert torch.allclose(pool.weight.sum(1), torch.ones(3))
    assert pool.tokens[1, :, 2:].abs().sum() == 0
    if name != 'DiscreteCounterfactual':  # entries of a codebook have the length they have
        assert torch.allclose(pool.tokens[0].norm(dim=-1), torch.full((2, 4), D**0.5), atol=1e-4)
    assert not pool.tokens.requires_grad
    assert all(torch.isfinite(v) for v in (*losses.values(), *logs.values())) and abs(logs['cos_factual']) < 0.999


@pytest.mark.parametrize('name', NAMES[:3])
def test_a_clip_does_not_depend_on_its_batch_or_padding(name):
    batch, model = clips(), build(name)
    together, alone = model(*batch)[0], model(*pick(batch, [1], 2, 1))[0]
    assert torch.allclose(together.tokens[1, :, :2], alone.tokens[0], atol=1e-5)
    assert torch.allclose(together.weight[1], alone.weight[0], atol=1e-6)


@pytest.mark.parametrize('name', NAMES[:3])
def test_losses_of_a_batch_are_means_over_its_clips(name):
    batch, model = clips(), build(name)
    together = model(*batch)[1]
    single = [model(*pick(batch, [i], count, T))[1] for i, count in enumerate((4, 2, 3))]
    for key, value in together.items():
        assert value.item() == pytest.approx(sum(s[key].item() for s in single) / 3, abs=1e-5)


@pytest.mark.parametrize('denoiser_input', ['rotated', 'factual'])
@pytest.mark.parametrize('condition', ['visual', 'none'])
def test_what_learns_from_what(denoiser_input, condition):
    batch = clips()
    for x in (batch[0].tokens, batch[1]):
        x.requires_grad_()
    model = build(denoiser_input=denoiser_input, generate_condition=condition)
    _, losses, _ = model(*batch)
    losses['loss_cf'].backward(retain_graph=True)
    degrees = [model.alpha, *model.clip_degree.parameters(), *model.token_degree.parameters()]
    assert all(p.grad is None for p in degrees)
    assert all(p.grad is not None for p in model.denoiser.parameters())
    assert model.denoiser.input.weight.grad.abs().sum() > 0
    model.zero_grad()
    losses['loss_ortho'].backward()
    assert model.alpha.grad != 0
    assert all(p.grad.abs().sum() > 0 for mlp in (model.clip_degree, model.token_degree) for p in mlp.parameters())
    assert all(p.grad is None for p in model.denoiser.parameters())
    assert batch[0].tokens.grad is None and batch[1].grad is None  # z and v are detached in all of SC


@pytest.mark.parametrize('name', NAMES)
def test_bf16_autocast_changes_nothing(name):
    """Rotations, cosines and the choice of the pool stay in float32."""
    model, batch = build(name), clips()
    exact, exact_losses, _ = model(*batch)
    with torch.autocast('cpu', torch.bfloat16):
        pool, losses, _ = model(*batch)
    assert pool.tokens.dtype == torch.float32 and torch.equal(pool.tokens, exact.tokens)
    assert torch.equal(pool.weight, exact.weight) and all(torch.equal(losses[k], exact_losses[k]) for k in losses)


def test_pool_is_the_nearest_half_of_the_candidates_with_its_weights():
    model, (text, *_) = build(), clips()
    z = text.tokens
    made, alpha = torch.randn(3, 4, 4, D) * text.valid[:, None, :, None], torch.rand(3, 4)
    pool = model.pool(made, z, text, alpha)
    for b in range(3):
        near = [F.cosine_similarity(weighted_mean(made[b, k], text.weight[b]), weighted_mean(z[b], text.weight[b]), dim=0)
                for k in range(4)]
        best = sorted(range(4), key=lambda k: -near[k])[:2]
        assert torch.equal(pool.tokens[b], made[b, best])
        hardness = (1 - alpha[b, best]).sqrt()
        assert torch.allclose(pool.weight[b], hardness / hardness.sum(), atol=1e-6)


def test_alpha_stays_within_its_bounds_and_differs_between_candidates():
    model = build(alpha_range=(0.7, 0.8))
    for logit in (-20., 0., 20.):
        model.alpha.data.fill_(logit)
        alpha = model.jittered_alpha(['a', 'b'], 'x', 50)
        assert alpha.min() >= 0.7 and alpha.max() <= 0.8 and alpha.std() > 0.01
    assert not torch.equal(alpha[0], alpha[1])
    assert torch.equal(alpha, model.jittered_alpha(['a', 'b'], 'x', 50))


def test_degrees_are_within_zero_and_one_and_switch_off():
    text, *_ = clips()
    for inter, intra in ((True, True), (True, False), (False, True)):
        m, s = build(inter_sample=inter, intra_sample=intra).degrees(text.tokens, text.weight)
        assert (m.min() > 0 and m.max() <= 1) if inter else m.abs().sum() == 0
        assert (s.min() > 0 and s.max() <= 1) if intra else s.abs().sum() == 0


def test_training_brings_the_rotation_to_the_optimum_of_l_ortho():
    """Degrees trained by L_ortho alone end at cosine 0.5 between z_t and z'_t, α within its bounds."""
    model, (text, visual, visible, names) = build(), clips()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        _, losses, _ = model(text, visual, visible, names)
        losses['loss_ortho'].backward()
        optimizer.step()
    m, s = model.degrees(text.tokens, text.weight)
    alpha = model.jittered_alpha(names, 'sc.alpha', 1)[..., None]
    cosine = ((1 - alpha * m) * (1 - alpha * s)).sqrt()[text.valid]
    assert (cosine - 0.5).abs().max() < 0.05


def test_denoiser_sees_only_visible_tokens_and_its_own_token():
    model = build().denoiser
    x, t = torch.randn(2, 4, D), torch.tensor([3, 150])
    visual, visible = torch.randn(2, T, D), torch.tensor([[True, True, False], [False, False, False]])
    out = model(x, t, visual, visible)
    changed = visual.clone()
    changed[0, 2] += 9
    changed[1] += 9
    assert torch.equal(out, model(x, t, changed, visible))
    changed[0, 0] += 1
    assert not torch.allclose(out[0], model(x, t, changed, visible)[0])
    other = x.clone()
    other[:, 1] += 1
    moved = model(other, t, visual, visible)
    assert torch.allclose(out[:, [0, 2, 3]], moved[:, [0, 2, 3]], atol=1e-6) and not torch.allclose(out[:, 1], moved[:, 1])
    assert not torch.allclose(out, model(x, t + 40, visual, visible))


def test_full_size_denoiser_has_two_to_three_million_parameters():
    assert 2e6 < sum(p.numel() for p in TokenDenoiser().parameters()) < 3e6


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('case', ['one frame', 'identical', 'one clip', 'autocast'])
def test_edges_are_finite(name, case):
    model, (text, visual, visible, names) = build(name), clips()
    if case == 'one frame':
        text, visual, visible, names = pick((text, visual, visible, names), [0, 1, 2], 2, 1)
        text = text._replace(weight=text.weight / text.weight.sum(1, keepdim=True))
    elif case == 'identical':
        text = text._replace(tokens=text.tokens[:1, :1].expand_as(text.tokens) * text.valid[..., None])
    elif case == 'one clip':
        text, visual, visible, names = pick((text, visual, visible, names), [1], 2, 1)
    with torch.autocast('cpu', torch.bfloat16, enabled=case == 'autocast'):
        pool, losses, _ = model(text, visual, visible, names)
        total = sum(losses.values(), torch.zeros((), requires_grad=True))
    total.backward()
    assert torch.isfinite(pool.tokens).all() and torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_discrete_tokens_are_entries_of_the_codebook_which_follows_the_text():
    model, batch = build('DiscreteCounterfactual', codebook_size=20), clips()
    pool, losses, _ = model(*batch)
    distance = torch.cdist(pool.tokens[0].flatten(0, 1), model.codebook)
    assert distance.min(1).values.max() < 1e-3
    losses['loss_cf'].backward()
    tokens = batch[0].tokens[batch[0].valid]
    used = torch.cdist(tokens, model.codebook).argmin(1).unique()
    assert set(model.codebook.grad.abs().sum(1).nonzero()[:, 0].tolist()) == set(used.tolist())


def test_pair_swap_takes_the_text_of_the_clips_that_follow():
    text, *rest = clips()
    pool, losses, _ = build('PairSwapCounterfactual')(text, *rest)
    assert losses == {}
    unit = F.normalize(text.tokens, dim=-1) * D**0.5
    for b, k, place, expected in ((0, 0, 2, unit[1, 0]), (0, 1, 1, unit[2, 1]), (2, 0, 1, unit[0, 1]), (1, 0, 1, unit[2, 1])):
        assert torch.allclose(pool.tokens[b, k, place], expected, atol=1e-5)
    alone, _, _ = build('PairSwapCounterfactual')(*pick((text, *rest), [1], 2, 1))
    assert torch.allclose(alone.tokens[0, 0], -unit[1, :2], atol=1e-5)


def test_precomputed_embeddings_are_looked_up_by_clip(tmp_path):
    table = {f'clip{i}': np.random.default_rng(i).normal(size=(3, 7)).astype(np.float32) for i in range(3)}
    np.savez(tmp_path / 'cf.npz', **table)
    model = PrecomputedCounterfactual(path=str(tmp_path / 'cf.npz'), embed_dims=D)
    text, visual, visible, names = clips()
    pool, losses, _ = model(text, visual, visible, names)
    expected = F.normalize(model.proj(torch.from_numpy(table['clip2'])), dim=-1) * D**0.5
    assert losses == {} and pool.tokens.shape == (3, 3, 4, D)
    assert torch.allclose(pool.tokens[2, :, 0], expected, atol=1e-5) and torch.equal(pool.tokens[2, :, 0], pool.tokens[2, :, 2])
    pool.tokens.sum().backward()
    assert model.proj.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match=r"cf\.npz has no counterfactuals for clip 'other'"):
        model(text, visual, visible, ['clip0', 'other', 'clip1'])
    with pytest.raises(FileNotFoundError, match='make_counterfactual_text'):
        PrecomputedCounterfactual(path=str(tmp_path / 'none.npz'))
    np.savez(tmp_path / 'bad.npz', a=np.zeros((2, 3)), b=np.zeros(4))
    with pytest.raises(ValueError, match=r'bad\.npz: expected arrays of one shape'):
        PrecomputedCounterfactual(path=str(tmp_path / 'bad.npz'))


@pytest.mark.parametrize('options, found', [
    (dict(alpha_range=(0.8, 0.7)), 'alpha_range'), (dict(inter_sample=False, intra_sample=False), 'both off'),
    (dict(num_counterfactuals=0), 'num_counterfactuals'), (dict(denoiser_input='z'), 'denoiser_input'),
    (dict(generate_condition='text'), 'generate_condition'), (dict(intervention_step=50), 'intervention_step')])
def test_wrong_options(options, found):
    with pytest.raises(ValueError, match=found):
        MODELS.build({**dict(type='mmicf.SemanticCounterfactual', embed_dims=D), **options})


def test_no_l_ortho_leaves_the_degrees_without_gradient_but_in_the_graph():
    model = build(ortho_weight=0.)
    _, losses, _ = model(*clips())
    losses['loss_ortho'].backward()
    assert losses['loss_ortho'] == 0 and model.alpha.grad == 0


def test_copies_work():
    model = build()
    assert torch.equal(copy.deepcopy(model)(*clips())[0].tokens, model(*clips())[0].tokens)
