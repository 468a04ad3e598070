"""The noise space of latent diffusion: which steps run, and that nothing is clamped."""
import pytest
import torch

from mmicf.models.counterfactuals.noise_schedule import NoiseSchedule


def abar():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64)**2
    return (1 - betas).cumprod(0)


def test_steps_run_from_the_intervention_down_by_twenty():
    assert NoiseSchedule(200).steps == [199, 179, 159, 139, 119, 99, 79, 59, 39, 19]
    assert NoiseSchedule(40).steps == [39, 19]


@pytest.mark.parametrize('step', [0, 30, 1020, -20])
def test_other_steps_are_refused(step):
    with pytest.raises(ValueError, match=f'multiple of 20 from 20 to 1000, got {step}'):
        NoiseSchedule(step)


def test_forward_process_follows_the_betas_of_latent_diffusion():
    schedule, table = NoiseSchedule(200), abar()
    assert table[199].item() == pytest.approx(0.755, abs=5e-4)
    z, noise = torch.randn(2, 3, 8, dtype=torch.float64), torch.randn(2, 3, 8, dtype=torch.float64)
    out = schedule.add_noise(z, noise, torch.tensor([199, 0]))
    for i, t in enumerate((199, 0)):
        assert torch.allclose(out[i], table[t].sqrt() * z[i] + (1 - table[t]).sqrt() * noise[i], atol=1e-5)


def test_reverse_process_is_deterministic_ddim_without_clamping():
    """Against DDIM's formula written out; coordinates of 5 would be cut to 1 by diffusers' default."""
    schedule, table, visited = NoiseSchedule(200), abar(), []

    def predict(x, t):
        visited.append(t)
        return 0.3 * x.sin() + t / 1000

    start = 5 * torch.randn(4, 8, dtype=torch.float64)
    out = schedule.denoise(start, predict)
    steps, x = list(visited), start
    assert steps == schedule.steps
    for t in steps:
        noise = predict(x, t)
        clean = (x - (1 - table[t]).sqrt() * noise) / table[t].sqrt()
        after = table[t - 20] if t >= 20 else torch.tensor(1., dtype=torch.float64)
        x = after.sqrt() * clean + (1 - after).sqrt() * noise
    assert torch.allclose(out, x, atol=1e-4) and out.abs().max() > 2


def test_the_true_noise_leads_back_to_z():
    schedule, table = NoiseSchedule(200), abar()
    z, noise = torch.randn(3, 8, dtype=torch.float64), torch.randn(3, 8, dtype=torch.float64)
    z_t = schedule.add_noise(z, noise, torch.full((3, ), 199))
    back = schedule.denoise(z_t, lambda x, t: (x - table[t].sqrt() * z) / (1 - table[t]).sqrt())
    assert torch.allclose(back, z, atol=1e-4)
