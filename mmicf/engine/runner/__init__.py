"""Training loops and batch samplers."""
from .resumable_batch_sampler import ResumableBatchSampler
from .resumable_loop import ResumableEpochTrainLoop

__all__ = ['ResumableBatchSampler', 'ResumableEpochTrainLoop']
