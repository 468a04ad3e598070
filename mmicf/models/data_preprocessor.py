"""Packs clips into a batch of valid frames."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor

from mmicf.registry import MODELS
from mmicf.structures import AVBatch, AVInputs


@MODELS.register_module()
class AVDataPreprocessor(BaseDataPreprocessor):
    """Moves a collated batch to the device, normalises frames and packs the clips' frames one after another.

    Only real frames exist in a batch: a 5-frame clip beside a 10-frame one costs 5 frames, where the peers compute zeros.

    Args:
        mean, std: per RGB channel on the 0..255 scale; ImageNet's by default.

    Raises:
        ValueError: if frames of one batch differ in size, or only some of its clips have a waveform, log-mel, anchor or
            maskiges.
    """

    def __init__(self, *, mean: Sequence[float] = (123.675, 116.28, 103.53), std: Sequence[float] = (58.395, 57.12, 57.375),
                 non_blocking: bool = False) -> None:
        super().__init__(non_blocking)
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """``dict(inputs=AVInputs of tuples, data_samples=list)`` → the same keys with an :class:`AVBatch`."""
        data = self.cast_data(data)
        inputs: AVInputs = data['inputs']
        samples = data.get('data_samples')
        names = [s.clip_id for s in samples] if samples else [f'#{i}' for i in range(len(inputs.frames))]
        sizes = {tuple(f.shape[-2:]) for f in inputs.frames}
        if len(sizes) > 1:
            found = ', '.join(f'{n}: {tuple(f.shape[-2:])}' for n, f in zip(names, inputs.frames, strict=True))
            raise ValueError(f'frames of one batch must have one size, found {found}; add a ClipResize or use batch_size=1')
        lengths = torch.tensor([len(f) for f in inputs.frames], device=inputs.frames[0].device)
        frames = self._normalised(torch.cat(list(inputs.frames)))
        maskiges = self._per_frame(inputs, 'maskiges', names)
        per_frame = {field: self._per_frame(inputs, field, names) for field in ('log_mel', 'image_anchor', 'audio_anchor')}
        batch = AVBatch(
            frames=frames,
            clip_index=torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths, output_size=len(frames)),
            **per_frame,
            maskiges=None if maskiges is None else self._normalised(maskiges),
            waveform=self._all_or_none(inputs.waveform, 'waveform', names),
            sample_rate=self._all_or_none(inputs.sample_rate, 'sample_rate', names))
        return dict(inputs=batch, data_samples=samples)

    def _normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels.float() - self.mean) / self.std

    def _per_frame(self, inputs: AVInputs, field: str, names: Sequence[str]) -> torch.Tensor | None:
        """A field with one row per frame, of all clips one after another."""
        values = self._all_or_none(getattr(inputs, field), field, names)
        if values is None:
            return None
        for name, f, x in zip(names, inputs.frames, values, strict=True):
            if len(f) != len(x):
                raise ValueError(f'clip {name}: {len(f)} frames but {len(x)} rows of {field}')
        return torch.cat(list(values))

    @staticmethod
    def _all_or_none(values: Sequence | None, field: str, names: Sequence[str]) -> Sequence | None:
        if values is None or all(v is None for v in values):
            return None
        without = [n for n, v in zip(names, values, strict=True) if v is None]
        if without:
            raise ValueError(f'{field} is missing for clips {without} but present for others of the batch')
        return values
