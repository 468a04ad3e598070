"""A batch sampler that can begin in the middle of an epoch."""
from collections.abc import Iterator
from itertools import islice

from torch.utils.data import BatchSampler, Sampler

from mmicf.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ResumableBatchSampler(BatchSampler):
    """torch's batch sampler that leaves out the first ``start`` batches of a pass, so their data is never loaded.

    The loop sets ``start`` before every epoch. The length stays that of the full epoch: hooks count batches by it.

    Args:
        sampler: gives indices in an order that depends on its ``seed`` and ``set_epoch`` alone.
        batch_size: clips per batch.
        drop_last: leave out an incomplete last batch.
    """

    def __init__(self, sampler: Sampler, batch_size: int, drop_last: bool = False) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.start = 0

    def __iter__(self) -> Iterator[list[int]]:
        # Not a generator: a DataLoader with workers calls iter() early, and twice in its first epoch.
        return islice(super().__iter__(), self.start, None)
