"""Refuses checkpoints of other models."""
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import find_latest_checkpoint

from mmicf.registry import HOOKS
from mmicf.utils.checkpoint import check_keys
from mmicf.utils.model_parts import training_only_names
from mmicf.utils.strict_loading import CheckpointMismatchError


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Compares every loaded checkpoint with the model; mmengine only warns, and goes on with random weights.

    A resumed run needs every tensor and no other: its optimizer's state fits no other weights, the averaged ones of an EMA run
    neither. ``load_from`` needs at least half of them (fine-tuning may change the head) and logs what was left out.

    Args:
        strict: ``load_from`` too needs every tensor, save those of parts that only training uses: for testing.

    Raises:
        CheckpointMismatchError: names the file and the first keys that do not fit, or one of a run with averaged weights that is
            resumed without them.
    """

    priority = 'VERY_LOW'  # behind EMAHook, which swaps averaged and raw weights

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        path = runner._load_from or find_latest_checkpoint(runner.work_dir)
        optional = () if runner._resume else training_only_names(model)
        report = check_keys(model, checkpoint, path, strict=self.strict or runner._resume, optional=optional)
        if runner._resume and report.unexpected:
            raise CheckpointMismatchError(f'{path} is a checkpoint of another model than {type(model).__name__}, which cannot be '
                                          f'resumed from it: {report.summary()}')
        # EMAHook saves the averages as the model and the weights that were trained beside them, and swaps them back on load.
        if runner._resume and 'ema_state_dict' in checkpoint and not any(isinstance(h, EMAHook) for h in runner.hooks):
            raise CheckpointMismatchError(f'{path} is of a run with averaged weights (EMA), which this config does not keep: found '
                                          'ema_state_dict, expected an EMAHook, as in --cfg-options default_hooks.ema.type=EMAHook')
        runner.logger.info(f'{path}: {report.summary()}')
