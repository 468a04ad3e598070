"""The noise space of `latent diffusion <https://arxiv.org/abs/2112.10752>`_ (ICF Eq. 6 and 9), on diffusers' schedulers."""
from collections.abc import Callable

import torch
from torch import Tensor

STRIDE = 20


class NoiseSchedule:
    """Adds noise up to step s^d and takes it away again with DDIM.

    Steps count from 0. Nothing is clamped: diffusers' default ``clip_sample`` would cut a third of the coordinates, which here have
    unit variance and are no pixels.

    Args:
        intervention_step: s^d, a multiple of 20 up to 1000.

    Raises:
        ImportError: diffusers is not installed.
        ValueError: another step.
    """

    def __init__(self, intervention_step: int) -> None:
        try:
            from diffusers import DDIMScheduler, DDPMScheduler
        except ImportError as error:
            raise ImportError("SemanticCounterfactual needs the package diffusers: pip install 'mmicf[text]'") from error
        if intervention_step % STRIDE or not STRIDE <= intervention_step <= 1000:
            raise ValueError(f'intervention_step must be a multiple of {STRIDE} from {STRIDE} to 1000, got {intervention_step}')
        betas = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear', clip_sample=False)
        self.forward_process = DDPMScheduler(**betas)
        self.reverse_process = DDIMScheduler(**betas, set_alpha_to_one=True)
        self.reverse_process.set_timesteps(1000 // STRIDE)  # the length of a step; which steps run is said by `steps`
        self.steps = list(range(intervention_step - 1, 0, -STRIDE))

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """√ᾱ_t·z + √(1 − ᾱ_t)·noise for z, noise (B, …) and integer t (B,)."""
        return self.forward_process.add_noise(z, noise, t)

    @torch.no_grad()
    def denoise(self, z_t: Tensor, predict: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Deterministic DDIM from step s^d − 1 to clean; ``predict(z_t, t)`` estimates the noise (Eq. 9)."""
        for t in self.steps:
            z_t = self.reverse_process.step(predict(z_t, t), t, z_t, eta=0.).prev_sample
        return z_t
