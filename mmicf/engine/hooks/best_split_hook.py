"""Says on which split the best checkpoint was chosen."""
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log

from mmicf.registry import HOOKS


@HOOKS.register_module()
class BestSplitHook(Hook):
    """Logs, before training, which split and metric select the best checkpoint (several peers silently select on test)."""

    def before_train(self, runner) -> None:
        keys = [key for hook in runner.hooks if isinstance(hook, CheckpointHook) for key in (hook.save_best or [])]
        if not keys or runner.val_loop is None:
            return
        split = getattr(runner.val_loop.dataloader.dataset, 'split', 'an unnamed split')
        print_log(f"best checkpoint: highest {', '.join(keys)} on split '{split}'", 'current')
        if split == 'test':
            print_log('selecting on test overstates the result; published peers that do so are marked in the model zoo', 'current')
