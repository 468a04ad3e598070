"""Says on which split the best checkpoint was chosen."""
import logging

from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log

from mmicf.registry import HOOKS

from .seed_hook import base_datasets


@HOOKS.register_module()
class BestSplitHook(Hook):
    """Logs which split and metric select the best checkpoint, before training, and what was selected, after it.

    Several peers silently select on test; here that is allowed and gets a warning.
    """

    priority = 'LOWEST'  # behind CheckpointHook, which saves the best

    @staticmethod
    def _keys(runner) -> list[str]:
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        return [key for hook in hooks for key in hook.save_best or []] if runner.val_loop is not None else []

    @staticmethod
    def _splits(runner) -> str:
        datasets = base_datasets(runner.val_loop.dataloader.dataset)
        return ' and '.join(sorted({getattr(dataset, 'split', 'unnamed') for dataset in datasets}))

    def before_train(self, runner) -> None:
        keys = self._keys(runner)
        if not keys:
            return
        splits = self._splits(runner)
        print_log(f"best checkpoint: selected by {', '.join(keys)} on split '{splits}'", 'current')
        if 'test' in splits.split(' and '):
            print_log('the best checkpoint is selected on test, which overstates its result there; select on val', 'current',
                      level=logging.WARNING)

    def after_train(self, runner) -> None:
        keys, found = self._keys(runner), runner.message_hub.runtime_info
        for key in keys:
            suffix = '' if len(keys) == 1 else f'_{key}'  # mmengine names them so
            if f'best_ckpt{suffix}' in found:
                print_log(f"best checkpoint: {found[f'best_ckpt{suffix}']}, {key} {found[f'best_score{suffix}']:.2f} on split "
                          f"'{self._splits(runner)}'", 'current')
