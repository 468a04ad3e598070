"""Collaborative distribution-aware contrast of vision, audio and text (Eq. 13–17)."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmicf.models.layers import clip_lengths, clip_mean
from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, FactualText
from mmicf.utils.dist import all_reduce_mean, gather_rows

from .set_distance import DistributionDistance, FeatureDistance, PrototypeDistance, Summary, at, halves

PAIRS = ('va', 'al', 'vl')
ACTIVE = 0.1  # a clip whose loss is below has no more to learn from its negatives


def unit_rows(x: Tensor) -> Tensor:
    """Rows of length 1, at least float32. Rows shorter than 1e-3 stay shorter than 1, or their gradient would explode."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1, eps=1e-3)


def pad_clips(rows: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Packed rows (N, …) of clips with ``lengths`` frames → (B, T, …), 0 in padding, and (B, T), 1/T of its clip on each frame."""
    padded = torch.nn.utils.rnn.pad_sequence(rows.split(list(lengths)), batch_first=True)
    length = torch.tensor(lengths, device=rows.device)[:, None]
    real = torch.arange(padded.shape[1], device=rows.device) < length
    return padded, real.to(rows.dtype) / length


def info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """−log(Σ_P exp / Σ_all exp) of each row of ``logits`` (B, M), ``positive`` bool (B, M) → (B,)."""
    return logits.logsumexp(-1) - logits.masked_fill(~positive, -torch.inf).logsumexp(-1)


@MODELS.register_module()
class CDCLLoss(BaseModule):
    """Contrast of vision with audio over the batch of all ranks, and of both with factual against counterfactual text.

    All rows that enter are scaled to length 1, so that mean norm² + trace of Σ is 1 for every clip. D' is exp(−D/τ): with the sign
    of Eq. 16 positives would repel. Without counterfactuals the text of other clips takes their place, without text vision and
    audio alone are contrasted.

    Args:
        mode: what D(x, y) compares (Table 2): 'distribution', D = W₂² + γ(H(x) + H(y)) of Eq. 15 with H relative to its floor;
            'prototype', the means; 'feature', every pair of rows. Nothing else depends on it.
        temperature: τ. At 0.1 no text pair of a tiny run had a loss above 0.1 after its first epoch (docs/en/decisions.md, "τ").
        entropy_weight: γ.
        eps: ε of the entropy, a variance.
        pair_weights: λ of Eq. 19 for 'va', 'al' and 'vl'; default 0.4, 0.3, 0.3.
        loss_weight: λ_CDCL of Eq. 19.
        positive_threshold: cosine of audio anchors above which two clips sound alike.

    Raises:
        ValueError: an unknown mode, or pairs that are not 'va', 'al' and 'vl'.
    """

    def __init__(self, *, mode: str = 'distribution', temperature: float = 0.5, entropy_weight: float = 0.1, eps: float = 1e-3,
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
        self.mode, self.temperature = mode, temperature
        if mode == 'distribution':
            self.distance = DistributionDistance(entropy_weight, eps)
        else:
            self.distance = PrototypeDistance() if mode == 'prototype' else FeatureDistance(temperature)
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
            both = torch.stack((unit_rows(audio), unit_rows(visual)), 1)  # (N, 2, D)
            # every rank computes the same mean over the G clips of all ranks, with no factor
            all_lengths = gather_rows(torch.tensor(lengths, device=visual.device)).tolist()
            sets = self._clip_sets(gather_rows(both), all_lengths)  # (2, G)
            positive = self.positives(self._anchor(text, audio_anchor, clip_index, len(lengths)), len(all_lengths), visual.device)
            mean, logs = self._visual_audio(sets, positive)
            losses = {'loss_va': self.pair_weights['va'] * mean}
            if counterfactuals is not None:
                per_clip = self._against_counterfactuals(self._clip_sets(both, lengths), text, counterfactuals)  # (2, B)
                count = all_reduce_mean(mean.new_tensor(float(len(lengths))))
                means = [(x.sum() / count, (x.detach() > ACTIVE).sum() / count) for x in per_clip]
            elif text is not None:
                means = self._against_other_texts(sets, text, positive)
            else:
                means = []
            for pair, (mean, active) in zip(('al', 'vl'), means, strict=False):
                losses[f'loss_{pair}'] = self.pair_weights[pair] * mean
                logs[f'active_{pair}'] = active
        return losses, logs

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

    def _clip_sets(self, both: Tensor, lengths: Sequence[int]) -> Summary:
        """Audio and vision of the clips, (2, B), from their packed unit rows (N, 2, D)."""
        rows, weight = pad_clips(both, lengths)
        return self.distance.summarise(rows.movedim(2, 0), weight.expand(2, -1, -1))

    def _visual_audio(self, sets: Summary, positive: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 16 in both directions."""
        audio, visual = halves(sets)
        audio, visual = at(audio, lambda x: x[None]), at(visual, lambda x: x[:, None])  # (1, G) and (G, 1)
        distance = self.distance(visual, audio)  # (G, G)
        logits = -distance / self.temperature
        mean, active = self._mean((info_nce(logits, positive) + info_nce(logits.T, positive)) / 2, positive)
        logs = {'positive_rate': (positive.sum(1) - 1).float().mean() / max(1, len(positive) - 1), 'active_va': active}
        if self.mode == 'distribution':
            share = self.distance.entropy(visual, audio).sum() / distance.sum().clamp(min=1e-6)
            logs['entropy_share'] = share.detach()
        return mean, logs

    @staticmethod
    def _mean(per_clip: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Mean over the clips that have a negative, and the share of them whose loss exceeds 0.1."""
        contrasted = ~positive.all(1)
        count = contrasted.sum().clamp(min=1)
        return (per_clip * contrasted).sum() / count, (contrasted & (per_clip.detach() > ACTIVE)).sum() / count

    def _against_other_texts(self, sets: Summary, text: FactualText, positive: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Without counterfactuals: ``sets`` (2, G) against the text of all clips, its own and its positives' against the rest."""
        rows, weight = self._text_rows(text.tokens, text.weight)
        longest = int(gather_rows(torch.tensor([rows.shape[1]], device=rows.device)).max())  # the ranks' P may differ
        extra = longest - rows.shape[1]
        texts = self.distance.summarise(gather_rows(F.pad(rows, (0, 0, 0, extra))), gather_rows(F.pad(weight, (0, extra))))
        logits = -self.distance(at(sets, lambda x: x.unsqueeze(2)), texts) / self.temperature  # (2, G, G)
        return [self._mean(per_clip, positive) for per_clip in info_nce(logits, positive)]

    def _against_counterfactuals(self, sets: Summary, text: FactualText, counterfactuals: Counterfactuals) -> Tensor:
        """Eq. 17: each clip's ``sets`` (2, B) against z, its counterfactuals weighted by w_k → (2, B)."""
        tokens = torch.cat((text.tokens[:, None], counterfactuals.tokens.to(text.tokens.dtype)), 1)
        candidates = self.distance.summarise(*self._text_rows(tokens, text.weight[:, None]))  # (B, 1 + K)
        logits = -self.distance(at(sets, lambda x: x.unsqueeze(2)), candidates) / self.temperature  # (2, B, 1 + K)
        log_weight = counterfactuals.weight.to(logits.dtype).clamp(min=torch.finfo(logits.dtype).tiny).log()
        return (logits + F.pad(log_weight, (1, 0))).logsumexp(-1) - logits[..., 0]

    @staticmethod
    def _text_rows(tokens: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Unit tokens, 0 in padding, and their weights, at least float32."""
        weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
        return unit_rows(tokens.masked_fill(weight[..., None] <= 0, 0.)), weight

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
