"""SC's weights, the steps it adds noise up to, and what its denoiser may see."""
import pytest
import torch
import torch.nn.functional as F
from test_semantic_counterfactual import D, T, build, clips

from mmicf.structures import FactualText

COUNT = 200  # so many clips that shares and extremes of their draws are sure, whatever the seed


def many_clips():
    torch.manual_seed(0)
    tokens, valid = F.layer_norm(torch.randn(COUNT, 2, D), (D, )), torch.ones(COUNT, 2, dtype=torch.bool)
    text = FactualText(tokens, valid / 2, valid, torch.randn(COUNT, 5), torch.randn(COUNT, 5))
    return text, torch.randn(COUNT, T, D), torch.ones(COUNT, T, dtype=torch.bool), [f'clip{i}' for i in range(COUNT)]


@pytest.mark.parametrize(('option', 'cf', 'ortho'), [('loss_weight', 2, 2), ('ortho_weight', 1, 2)])
def test_weights_scale_the_losses(option, cf, ortho):
    model = build()
    losses = model(*clips())[1]
    doubled = build(**{option: 2 * getattr(model, option)})(*clips())[1]
    assert doubled['loss_cf'].item() == pytest.approx(cf * losses['loss_cf'].item())
    assert doubled['loss_ortho'].item() == pytest.approx(ortho * losses['loss_ortho'].item())


@pytest.mark.parametrize('intervention_step', [200, 400])
def test_noise_is_learned_up_to_the_intervention_and_pools_start_there(intervention_step, monkeypatch):
    model, steps = build(intervention_step=intervention_step), []
    add_noise = model.schedule.add_noise
    monkeypatch.setattr(model.schedule, 'add_noise', lambda z, noise, t: steps.append(t) or add_noise(z, noise, t))
    model(*many_clips())
    learned, pool = steps
    assert learned.min() < 0.1 * intervention_step and 0.9 * intervention_step < learned.max() < intervention_step
    assert pool.unique().tolist() == [intervention_step - 1]


@pytest.mark.parametrize('condition', ['none', 'visual'])
def test_half_of_the_clips_learn_blind_where_pools_are_made_blind(condition):
    model, seen = build(generate_condition=condition), []
    model.denoiser.register_forward_pre_hook(lambda _, args: seen.append(args[3].any(1)))
    model(*many_clips())
    learning, *generating = seen
    if condition == 'none':
        assert 0.3 * COUNT < learning.sum() < 0.7 * COUNT and not any(x.any() for x in generating)
    else:
        assert learning.all() and all(x.all() for x in generating)


@pytest.mark.parametrize(('condition', 'reads'), [('none', False), ('visual', True)])
def test_pools_read_vision_only_if_told_to(condition, reads):
    model, (text, visual, visible, names) = build(generate_condition=condition), clips()
    before, after = (model(text, v, visible, names)[0].tokens for v in (visual, visual + 1))
    assert torch.equal(before, after) != reads
