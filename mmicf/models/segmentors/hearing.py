"""What all segmentors that hear have in common."""
from collections.abc import Sequence

from torch import Tensor

from mmicf.structures import AVBatch, AVFeatures, ICFInputs
from mmicf.utils.dist import reduce_log_vars


class HearingMixin:
    """For an mmengine model with an ``audio_neck``, or None, and an ``audio_backbone`` whose ``input_fields`` are of
    :class:`AVBatch`."""

    def extract_audio(self, inputs: AVBatch) -> Tensor:
        """(N, D) audio tokens, one per frame.

        Raises:
            ValueError: the batch lacks what the audio backbone reads.
        """
        fields = {name: getattr(inputs, name) for name in self.audio_backbone.input_fields}
        missing = [name for name, value in fields.items() if value is None]
        if missing:
            raise ValueError(f'{type(self.audio_backbone).__name__} needs {missing} in the batch; '
                             'the data pipeline did not pack them')
        audio = self.audio_backbone(**fields)
        return audio if self.audio_neck is None else self.audio_neck(audio, inputs.clip_index)

    @staticmethod
    def _shown_to_icf(inputs: AVBatch, features: AVFeatures, clip_ids: Sequence[str], **embeddings: Tensor) -> ICFInputs:
        """What ICF sees of a batch: ``features`` before the interaction, the names of its B clips and, where they are known,
        ``visual_embed`` (N, D_v) and ``audio_embed`` (N, D_a)."""
        return ICFInputs(
            feature=features.maps[-1],
            audio=features.audio,
            clip_index=features.clip_index,
            clip_ids=clip_ids,
            context=features.context,
            frames=inputs.frames,
            waveform=inputs.waveform,
            sample_rate=inputs.sample_rate,
            image_anchor=inputs.image_anchor,
            audio_anchor=inputs.audio_anchor,
            **embeddings)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As mmengine's, with the logged values averaged over ranks (mmengine logs rank 0's only)."""
        total, log_vars = super().parse_losses(losses)
        return total, reduce_log_vars(log_vars)
