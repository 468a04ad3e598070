"""Semantic counterfactuals in the noise space of a diffusion model (ICF Sec. 3.3)."""
from collections.abc import Sequence

import torch
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, FactualText
from mmicf.utils.dist import all_reduce_mean

from .denoiser import TokenDenoiser
from .draws import clip_uniform, token_normal
from .noise_schedule import NoiseSchedule
from .rotating import RotatingCounterfactual, token_cosine, unit_variance


@MODELS.register_module()
class SemanticCounterfactual(RotatingCounterfactual):
    """Noise is added to z's tokens up to step s^d, the noisy tokens are rotated, and DDIM denoises them to counterfactuals.

    Text and visual tokens are detached: this part learns to denoise and to choose degrees, it does not shape the text. m, s and α
    learn from L_ortho alone.

    Args:
        embed_dims: D.
        num_counterfactuals: k^c, the Top-K of Eq. 12.
        intervention_step: s^d, where the rotation happens.
        alpha_range, inter_sample, intra_sample, ortho_weight, similarity_weight, loss_weight: see
            :class:`RotatingCounterfactual`.
        denoiser_dims: width inside the denoiser; 256 makes 2.8 M parameters.
        denoiser_input: what the ε loss sees: 'rotated' is Eq. 11 as printed, 'factual' trains on z_t and rotates only to generate
            (docs/en/decisions.md, "Eq. 11", holds the measurement).
        generate_condition: the denoiser reads the clip's 'visual' tokens when it generates, or 'none'; with 'none' half of the
            clips train without them.
    """

    def __init__(self, *, embed_dims: int = 256, num_counterfactuals: int = 8, intervention_step: int = 200,
                 alpha_range: Sequence[float] = (0.7, 0.8), inter_sample: bool = True, intra_sample: bool = True,
                 ortho_weight: float = 1.0, similarity_weight: float = 0.8, loss_weight: float = 0.2,
                 denoiser_dims: int = 256, denoiser_input: str = 'factual', generate_condition: str = 'none') -> None:
        super().__init__(
            embed_dims=embed_dims,
            num_counterfactuals=num_counterfactuals,
            alpha_range=alpha_range,
            inter_sample=inter_sample,
            intra_sample=intra_sample,
            ortho_weight=ortho_weight,
            similarity_weight=similarity_weight,
            loss_weight=loss_weight)
        if denoiser_input not in ('rotated', 'factual'):
            raise ValueError(f"denoiser_input must be 'rotated' or 'factual', got {denoiser_input!r}")
        if generate_condition not in ('visual', 'none'):
            raise ValueError(f"generate_condition must be 'visual' or 'none', got {generate_condition!r}")
        self.denoiser_input, self.generate_condition = denoiser_input, generate_condition
        self.schedule = NoiseSchedule(intervention_step)
        self.denoiser = TokenDenoiser(embed_dims=embed_dims, hidden_dims=denoiser_dims)

    def forward(self, text: FactualText, visual: Tensor, visual_valid: Tensor,
                clip_ids: Sequence[str]) -> tuple[Counterfactuals, dict[str, Tensor], dict[str, Tensor]]:
        """The pool of each clip, ``loss_cf`` and ``loss_ortho`` (Eq. 10-11, weighted), and scalars to log.

        Args:
            text: factual text of B clips.
            visual: (B, T, D) frame-level visual tokens v.
            visual_valid: bool (B, T).
            clip_ids: B names.

        Logged: ``eps_mse``; ``cos_start`` = cos(z*, z'_t) and ``cos_factual`` = cos(z*, z) of all candidates; ``alpha``, and
        ``m_std``, ``s_std``, the spread of the degrees over the local clips and tokens.
        """
        with torch.autocast(visual.device.type, enabled=False):
            text = FactualText(*(x.detach() for x in text))
            visual = visual.detach().float()
            z = unit_variance(text.tokens, text.valid)
            m, s = self.degrees(z, text.weight)
            mse, ortho = self._learn(z, text, visual, visual_valid, clip_ids, m, s)
            losses = {'loss_cf': self.loss_weight * mse, 'loss_ortho': self.loss_weight * self.ortho_weight * ortho}
            with torch.no_grad():
                made, start, alpha = self.generate(z, text, visual, visual_valid, clip_ids, m, s)
                counterfactuals = self.pool(made, z, text, alpha)
                logs = {'eps_mse': mse.detach(), 'cos_start': token_cosine(made, start, text.valid),
                        'cos_factual': token_cosine(made, z[:, None].expand_as(made), text.valid), 'alpha': alpha.mean(),
                        'm_std': m.std(unbiased=False), 's_std': s[text.valid].std(unbiased=False)}
        return counterfactuals, losses, logs

    def _learn(self, z: Tensor, text: FactualText, visual: Tensor, visual_valid: Tensor, clip_ids: Sequence[str], m: Tensor,
               s: Tensor) -> tuple[Tensor, Tensor]:
        """The ε loss (mean over D, tokens and clips) and L_ortho at one random step per clip."""
        t = (clip_uniform(clip_ids, 'sc.step', (), z.device) * (self.schedule.steps[0] + 1)).long()
        noise = token_normal(clip_ids, 'sc.noise', text.valid, 1, z.shape[-1])[:, 0]
        z_t = self.schedule.add_noise(z, noise, t)
        alpha = self.jittered_alpha(clip_ids, 'sc.alpha', 1)
        rotated = self.rotate(z_t[:, None], text, clip_ids, 'sc.rotation', alpha, m, s)[:, 0]
        visible = visual_valid
        if self.generate_condition == 'none':
            visible = visible & (clip_uniform(clip_ids, 'sc.condition', (1, ), z.device) < 0.5)
        seen = rotated.detach() if self.denoiser_input == 'rotated' else z_t
        error = (self.denoiser(seen, t, visual, visible) - noise).square().mean(-1) * text.valid
        per_clip = error.sum(1) / text.valid.sum(1)
        mse = per_clip.sum() / all_reduce_mean(per_clip.new_tensor(float(len(per_clip))))
        return mse, self.ortho(rotated, z_t, text.valid)

    @torch.no_grad()
    def generate(self, z: Tensor, text: FactualText, visual: Tensor, visual_valid: Tensor, clip_ids: Sequence[str], m: Tensor,
                 s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Candidates z* (B, 2K, P, D), the rotated z'_t they started from, and their α (B, 2K)."""
        count = 2 * self.num_counterfactuals
        alpha = self.jittered_alpha(clip_ids, 'sc.pool.alpha', count)
        noise = token_normal(clip_ids, 'sc.pool.noise', text.valid, count, z.shape[-1])
        t = torch.full((len(z), ), self.schedule.steps[0], device=z.device)
        z_t = self.schedule.add_noise(z[:, None].expand_as(noise), noise, t)
        start = self.rotate(z_t, text, clip_ids, 'sc.pool.rotation', alpha, m, s)
        memory = visual.repeat_interleave(count, 0)
        visible = visual_valid.repeat_interleave(count, 0)
        if self.generate_condition == 'none':
            visible = torch.zeros_like(visible)

        def predict(x: Tensor, step: int) -> Tensor:
            return self.denoiser(x, torch.full((len(x), ), step, device=x.device), memory, visible)

        made = self.schedule.denoise(start.flatten(0, 1), predict).unflatten(0, (len(z), count))
        return unit_variance(made, text.valid[:, None].expand(-1, count, -1)), start, alpha
