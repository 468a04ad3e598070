"""An epoch-based training loop that resumes at the very batch where a run stopped."""
from collections.abc import Sequence

from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader

from mmicf.engine.hooks.seed_hook import run_seed
from mmicf.registry import LOOPS

from .resumable_batch_sampler import ResumableBatchSampler

_LENGTH_KEY = 'train_batches_per_epoch'


@LOOPS.register_module()
class ResumableEpochTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop with a position within the epoch.

    A checkpoint may be saved by iteration (``CheckpointHook(by_epoch=False)``); the resumed run goes on with the next
    batch of the same epoch and loads none of the earlier ones. The order of clips depends on (run seed, epoch) alone.
    With ``SeedHook`` the resumed run reaches the weights of the uninterrupted one bit for bit on CPU, also with EMA,
    persistent workers, several ranks and gradient accumulation.

    Args:
        runner, max_epochs, val_begin, val_interval, dynamic_intervals: mmengine's.
        dataloader: a config dict without ``batch_sampler``, or a DataLoader on a :class:`ResumableBatchSampler`.

    Raises:
        TypeError: the DataLoader or its sampler cannot start in mid-epoch.
        ValueError: before training, if checkpoints would be saved between two optimizer updates of an accumulation (the
            gradients gathered so far are in no checkpoint), or the resumed run had other epochs than this one.
    """

    def __init__(self, runner, dataloader: DataLoader | dict, max_epochs: int, val_begin: int = 1,
                 val_interval: int = 1, dynamic_intervals: Sequence[tuple[int, int]] | None = None) -> None:
        if isinstance(dataloader, dict):
            dataloader = dict(dataloader)
            if dataloader.get('batch_sampler') is not None:
                raise TypeError('ResumableEpochTrainLoop makes the batch sampler itself (ResumableBatchSampler); '
                                f'remove train_dataloader.batch_sampler={dataloader["batch_sampler"]}')
            dataloader['batch_sampler'] = dict(type='mmicf.ResumableBatchSampler',
                                               drop_last=dataloader.pop('drop_last', False))
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals)
        batch_sampler = self.dataloader.batch_sampler
        if not isinstance(batch_sampler, ResumableBatchSampler):
            raise TypeError(f'train DataLoader must use a ResumableBatchSampler, found {type(batch_sampler).__name__}')
        sampler = batch_sampler.sampler
        if not (hasattr(sampler, 'seed') and hasattr(sampler, 'set_epoch')):
            raise TypeError(f'{type(sampler).__name__} has no `seed` and `set_epoch`, so its order cannot be repeated '
                            'on resume; use DefaultSampler')

    def run(self):
        self._check_accumulation()
        self._check_length()
        # The loader was built before the checkpoint told the seed.
        self.dataloader.batch_sampler.sampler.seed = run_seed(self.runner)
        return super().run()

    def run_epoch(self) -> None:
        """Iterate one epoch, or what is left of it."""
        batch_sampler = self.dataloader.batch_sampler
        start = self._iter - self._epoch * len(self.dataloader)
        batch_sampler.sampler.set_epoch(self._epoch)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        batch_sampler.start = start
        # A checkpoint at the last batch leaves nothing to load, but the epoch's hooks and validation are still to come.
        for index, batch in enumerate(self.dataloader, start=start):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _check_length(self) -> None:
        length, hub = len(self.dataloader), self.runner.message_hub
        before = hub.get_info(_LENGTH_KEY, length) if self._iter else length
        start = self._iter - self._epoch * length
        if before != length or not 0 <= start <= length:
            raise ValueError(
                f'cannot resume at iteration {self._iter} in epoch {self._epoch} (counted from 0): an epoch now has '
                f'{length} batches, {before} when the checkpoint was saved. Use the same data, batch size and number '
                'of processes, or start anew with load_from')
        hub.update_info(_LENGTH_KEY, length)

    def _check_accumulation(self) -> None:
        count = getattr(self.runner.optim_wrapper, '_accumulative_counts', 1)
        for hook in self.runner.hooks:
            if not isinstance(hook, CheckpointHook) or hook.interval <= 0:
                continue
            unit, name = (len(self.dataloader), 'epochs') if hook.by_epoch else (1, 'iterations')
            if hook.interval * unit % count or hook.save_begin * unit % count:
                raise ValueError(
                    f'CheckpointHook saves every {hook.interval} {name} (from {hook.save_begin}) of {unit} batches, '
                    f'no multiple of accumulative_counts={count}: a checkpoint would lose gradients and could not be '
                    f'resumed exactly. Use by_epoch=False with an interval that is a multiple of {count}')
