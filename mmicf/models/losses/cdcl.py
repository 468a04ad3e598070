"""Collaborative distribution-aware contrast of vision, audio and text (Eq. 13–17)."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmicf.models.layers import clip_lengths, clip_mean
from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, FactualText
from mmicf.utils.dist import all_reduce_mean, gather_rows

from .gaussian_distance import gaussian_w2, relative_entropy

PAIRS = ('va', 'al', 'vl')
ACTIVE = 0.1  # a clip whose loss is below has no more to learn from its negatives


class WeightedRows(NamedTuple):
    """A clip's frames or tokens: unit rows (…, T, D) and their weights (…, T), which sum to 1 and are 0 in padding."""
    rows: Tensor
    weight: Tensor

    def unsqueeze(self, dim: int) -> 'WeightedRows':
        return WeightedRows(self.rows.unsqueeze(dim), self.weight.unsqueeze(dim))


def unit_rows(x: Tensor) -> Tensor:
    """Rows of length 1, at least float32. Rows shorter than 1e-3 stay shorter than 1, or their gradient would explode."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1, eps=1e-3)


def pad_clips(rows: Tensor, lengths: Sequence[int]) -> WeightedRows:
    """Packed unit rows (N, D) of clips with ``lengths`` frames → (B, T, D), each frame with weight 1/T of its clip."""
    padded = torch.nn.utils.rnn.pad_sequence(rows.split(list(lengths)), batch_first=True)
    length = torch.tensor(lengths, device=rows.device)[:, None]
    real = torch.arange(padded.shape[1], device=rows.device) < length
    return WeightedRows(padded, real.to(rows.dtype) / length)


def prototype_distance(x: WeightedRows, y: WeightedRows) -> Tensor:
    """Squared distance of the unit prototypes, 2 − 2 cos(μ_x, μ_y), in [0, 4]."""
    x, y = (F.normalize((s.rows * s.weight[..., None]).sum(-2), dim=-1, eps=1e-3) for s in (x, y))
    return x.square().sum(-1) + y.square().sum(-1) - 2 * torch.einsum('...d,...d->...', x, y)


def feature_distance(x: WeightedRows, y: WeightedRows, temperature: float) -> Tensor:
    """−τ log Σ_tn w_t w_n exp(−‖x_t − y_n‖²/τ): with exp(−D/τ), InfoNCE whose samples are all pairs of rows.

    The plain mean of the rows' cosine distances is 2 − 2 μ_x·μ_y, a function of the means, and would be a prototype again.
    """
    near = (2 * torch.einsum('...td,...nd->...tn', x.rows, y.rows) - 2) / temperature
    log_x, log_y = (torch.where(s.weight > 0, s.weight, 1.).log().masked_fill(s.weight <= 0, -torch.inf) for s in (x, y))
    return -temperature * (near + log_x[..., :, None] + log_y[..., None, :]).logsumexp((-2, -1))


def info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """−log(Σ_P exp / Σ_all exp) of each row of ``logits`` (B, M), ``positive`` bool (B, M) → (B,)."""
    return logits.logsumexp(-1) - logits.masked_fill(~positive, -torch.inf).logsumexp(-1)


@MODELS.register_module()
class CDCLLoss(BaseModule):
    """Contrast of vision with audio over the batch of all ranks, and of both with factual against counterfactual text.

    All rows that enter are scaled to length 1, so that mean norm² + trace of Σ is 1 for every clip. D' is exp(−D/τ): with the sign
    of Eq. 16 positives would repel. Without text the loss is that of vision and audio, without counterfactuals as well.

    Args:
        mode: what D(x, y) compares (Table 2): 'distribution', D = W₂² + γ(H(x) + H(y)) of Eq. 15 with H relative to its floor;
            'prototype', the means; 'feature', every pair of rows. Nothing else depends on it.
        temperature: τ.
        entropy_weight: γ.
        eps: ε of the entropy, a variance.
        pair_weights: λ of Eq. 19 for 'va', 'al' and 'vl'; default 0.4, 0.3, 0.3.
        loss_weight: λ_CDCL of Eq. 19.
        positive_threshold: cosine of audio anchors above which two clips sound alike.

    Raises:
        ValueError: an unknown mode, or pairs that are not 'va', 'al' and 'vl'.
    """

    def __init__(self, *, mode: str = 'distribution', temperature: float = 0.1, entropy_weight: float = 0.1, eps: float = 1e-3,
                 pair_weights: dict[str, float] | None = None, loss_weight: float = 0.2,
                 positive_threshold: float = 0.8) -> None:
        super().__init__()
        if mode not in ('distribution', 'prototype', 'feature'):
            raise ValueError(f"mode must be 'distribution', 'prototype' or 'feature', got {mode!r}")
        if temperature <= 0:
            raise ValueError(f'temperature must be above 0, got {temperature}')
        pair_weights = dict(va=0.4, al=0.3, vl=0.3) if pair_weights is None else pair_weights
        if set(pair_weights) != set(PAIRS):
            raise ValueError(f'pair_weights must name {PAIRS}, got {sorted(pair_weights)}')
        self.mode, self.temperature, self.entropy_weight, self.eps = mode, temperature, entropy_weight, eps
        self.pair_weights = {pair: loss_weight * pair_weights[pair] for pair in PAIRS}
        self.positive_threshold = positive_threshold

    def forward(self, visual: Tensor, audio: Tensor, clip_index: Tensor, text: FactualText | None = None,
                counterfactuals: Counterfactuals | None = None,
                audio_anchor: Tensor | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Weighted losses and scalars to log; with several processes each of them must call it with the same kinds of input.

        Args:
            visual, audio: (N, D), one row per frame.
            clip_index: int64 (N,), non-decreasing.
            text: factual text of the B clips.
            counterfactuals: their pools.
            audio_anchor: frozen audio embeddings (B, d), or (N, d) to be averaged over each clip's frames. Where there are none,
                the audio text ℓ^a says which clips sound alike.

        Returns:
            ``loss_va`` and, with text, ``loss_al`` and ``loss_vl``; to log: ``positive_rate`` (share of other clips that
            count as positives), ``active_*`` (share of clips whose loss exceeds 0.1), ``entropy_share`` (of D, distribution mode).

        Raises:
            ValueError: inputs that do not belong together.
        """
        lengths = clip_lengths(clip_index)
        self._check(visual, audio, clip_index, len(lengths), text, counterfactuals, audio_anchor)
        with torch.autocast(visual.device.type, enabled=False):
            visual, audio = unit_rows(visual), unit_rows(audio)
            anchor = self._anchor(text, audio_anchor, clip_index, len(lengths))
            # Every rank computes the same mean over the G clips of all ranks, with no factor.
            all_lengths = gather_rows(torch.tensor(lengths, device=visual.device)).tolist()
            rows = [pad_clips(x, all_lengths) for x in gather_rows(torch.cat((visual, audio), 1)).chunk(2, 1)]
            positive = self.positives(anchor, len(all_lengths), visual.device)
            mean, logs = self._visual_audio(*rows, positive)
            losses = {'loss_va': self.pair_weights['va'] * mean}
            if text is not None and counterfactuals is None:
                texts = self._gather_text(text)
                for pair, x in (('al', rows[1]), ('vl', rows[0])):
                    logits = -self.distance(x.unsqueeze(1), texts.unsqueeze(0))[0] / self.temperature
                    mean, logs[f'active_{pair}'] = self._mean(info_nce(logits, positive), positive)
                    losses[f'loss_{pair}'] = self.pair_weights[pair] * mean
            if counterfactuals is not None:
                candidates = self._candidates(text, counterfactuals)
                for pair, rows in (('al', audio), ('vl', visual)):
                    per_clip = self._against_text(pad_clips(rows, lengths), candidates, counterfactuals.weight)
                    count = all_reduce_mean(per_clip.new_tensor(float(len(lengths))))
                    losses[f'loss_{pair}'] = self.pair_weights[pair] * per_clip.sum() / count
                    logs[f'active_{pair}'] = (per_clip.detach() > ACTIVE).sum() / count
        return losses, logs

    def distance(self, x: WeightedRows, y: WeightedRows) -> tuple[Tensor, Tensor]:
        """D(x, y) and what the entropies add to it; the leading dimensions broadcast."""
        if self.mode == 'distribution':
            w2 = gaussian_w2(x.rows, y.rows, x.weight, y.weight)
            entropy = relative_entropy(x.rows, self.eps, x.weight) + relative_entropy(y.rows, self.eps, y.weight)
            return w2 + self.entropy_weight * entropy, self.entropy_weight * entropy
        distance = prototype_distance(x, y) if self.mode == 'prototype' else feature_distance(x, y, self.temperature)
        return distance, torch.zeros_like(distance)

    @torch.no_grad()
    def positives(self, anchor: Tensor | None, size: int, device: torch.device) -> Tensor:
        """P(i) of Eq. 16 as bool (size, size): i itself and the clips whose ``anchor`` (size, d) has cosine above the threshold.

        More than half of the batch is no partition any more: P(i) is then {i}.
        """
        own = torch.eye(size, dtype=torch.bool, device=device)
        if anchor is None:
            return own
        unit = F.normalize(anchor, dim=1)
        alike = (unit @ unit.T > self.positive_threshold) | own
        return torch.where((2 * alike.sum(1) > size)[:, None], own, alike)

    @torch.no_grad()
    def _anchor(self, text: FactualText | None, audio_anchor: Tensor | None, clip_index: Tensor, clips: int) -> Tensor | None:
        """What tells sounds apart, of the clips of all ranks (G, d)."""
        if audio_anchor is not None:
            anchor = F.normalize(audio_anchor.float(), dim=1)
            return gather_rows(anchor if len(anchor) == clips else clip_mean(anchor, clip_index))
        if text is None:
            return None
        anchor = gather_rows(text.audio.detach().float())
        return anchor - anchor.mean(0)  # uncentred text embeddings of unrelated clips already exceed 0.8

    def _visual_audio(self, visual: WeightedRows, audio: WeightedRows, positive: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 16 in both directions."""
        distance, entropy = self.distance(visual.unsqueeze(1), audio.unsqueeze(0))  # (G, G)
        logits = -distance / self.temperature
        mean, active = self._mean((info_nce(logits, positive) + info_nce(logits.T, positive)) / 2, positive)
        logs = {'positive_rate': (positive.sum(1) - 1).float().mean() / max(1, len(positive) - 1), 'active_va': active}
        if self.mode == 'distribution':
            logs['entropy_share'] = (entropy.sum() / distance.sum().clamp(min=1e-6)).detach()
        return mean, logs

    @staticmethod
    def _mean(per_clip: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Mean over the clips that have a negative, and the share of them whose loss exceeds 0.1."""
        contrasted = ~positive.all(1)
        count = contrasted.sum().clamp(min=1)
        return (per_clip * contrasted).sum() / count, (contrasted & (per_clip.detach() > ACTIVE)).sum() / count

    @staticmethod
    def _gather_text(text: FactualText) -> WeightedRows:
        """z of the clips of all ranks, (G, P, D); ranks pad to the same P."""
        weight = text.weight.to(torch.promote_types(text.weight.dtype, torch.float32))
        rows = unit_rows(torch.where(weight[..., None] > 0, text.tokens, 0.))
        most = int(gather_rows(torch.tensor([rows.shape[1]], device=rows.device)).max())
        pad = most - rows.shape[1]
        return WeightedRows(gather_rows(F.pad(rows, (0, 0, 0, pad))), gather_rows(F.pad(weight, (0, pad))))

    @staticmethod
    def _candidates(text: FactualText, counterfactuals: Counterfactuals) -> WeightedRows:
        """z, then its counterfactuals: (B, 1 + K, P, D) with weights (B, 1, P)."""
        weight = text.weight[:, None].to(torch.promote_types(text.weight.dtype, torch.float32))
        tokens = torch.cat((text.tokens[:, None], counterfactuals.tokens.to(text.tokens.dtype)), 1)
        return WeightedRows(unit_rows(torch.where(weight[..., None] > 0, tokens, 0.)), weight)

    def _against_text(self, anchor: WeightedRows, candidates: WeightedRows, hardness: Tensor) -> Tensor:
        """Eq. 17 of each clip: its frames (B, T, D) against z, the negatives weighted by w_k (B, K) → (B,)."""
        logits = -self.distance(anchor.unsqueeze(1), candidates)[0] / self.temperature  # (B, 1 + K)
        log_weight = hardness.to(logits.dtype).clamp(min=torch.finfo(logits.dtype).tiny).log()
        return (logits + F.pad(log_weight, (1, 0))).logsumexp(1) - logits[:, 0]

    @staticmethod
    def _check(visual: Tensor, audio: Tensor, clip_index: Tensor, clips: int, text: FactualText | None,
               counterfactuals: Counterfactuals | None, audio_anchor: Tensor | None) -> None:
        if visual.ndim != 2 or visual.shape != audio.shape or len(clip_index) != len(visual):
            raise ValueError('visual and audio must be (N, D) with one clip_index per row, got the shapes '
                             f'{tuple(visual.shape)}, {tuple(audio.shape)} and {tuple(clip_index.shape)}')
        if counterfactuals is not None and text is None:
            raise ValueError('counterfactuals need the factual text that they were made from, got text=None')
        if audio_anchor is not None and (audio_anchor.ndim != 2 or len(audio_anchor) not in (clips, len(visual))):
            raise ValueError(f'audio_anchor must have one row for each of {clips} clips or {len(visual)} frames, got shape '
                             f'{tuple(audio_anchor.shape)}')
        for name, value in (('text', text), ('counterfactuals', counterfactuals)):
            if value is not None and (len(value.tokens) != clips or value.tokens.shape[-1] != visual.shape[-1]):
                raise ValueError(f'{name}.tokens must be of {clips} clips and width {visual.shape[-1]}, got shape '
                                 f'{tuple(value.tokens.shape)}')
