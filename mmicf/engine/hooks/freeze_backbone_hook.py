"""Epochs in which the visual backbone does not learn."""
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmicf.registry import HOOKS


@HOOKS.register_module()
class FreezeBackboneHook(Hook):
    """``model.backbone`` does not learn and is in eval mode in the first epochs (AVSegFormer: 5 on S4, 10 on MS3).

    A frozen parameter has no gradient, not a zero one, so AdamW neither decays it nor counts the step. What is frozen follows
    from the epoch alone, so a resumed run goes on as the uninterrupted one. Parameters that something else froze stay frozen.

    ``DistributedDataParallel`` must find unused parameters: it is built before training, when all parameters learn, else it would
    wait for gradients that never come (and one built while they are frozen would never average them). Set
    ``find_unused_parameters=True`` at the config's top level.

    Args:
        epochs: training epochs with a frozen backbone; the epoch with this index, counted from 0, is the first that trains it.

    Raises:
        ValueError: ``epochs`` is negative; the model has no ``backbone``; a distributed wrapper would hang or not average.
    """

    def __init__(self, *, epochs: int) -> None:
        if epochs < 0:
            raise ValueError(f'epochs must not be negative, got {epochs}')
        self.epochs = epochs
        self._frozen: list[nn.Parameter] = []

    @staticmethod
    def _backbone(runner) -> nn.Module:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        backbone = getattr(model, 'backbone', None)
        if not isinstance(backbone, nn.Module):
            raise ValueError(f'FreezeBackboneHook needs a model with a `backbone`; {type(model).__name__} has none')
        return backbone

    def before_train(self, runner) -> None:
        self._backbone(runner)
        if self.epochs <= runner.epoch or not is_model_wrapper(runner.model):
            return
        wrapper = runner.model
        if (not isinstance(wrapper, DistributedDataParallel) or not wrapper.find_unused_parameters or wrapper.static_graph):
            raise ValueError('FreezeBackboneHook with a distributed model needs DistributedDataParallel with '
                             'find_unused_parameters=True (top level of the config) and without static_graph; found '
                             f'{type(wrapper).__name__} with '
                             f'find_unused_parameters={getattr(wrapper, "find_unused_parameters", None)}, '
                             f'static_graph={getattr(wrapper, "static_graph", None)}')

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Every iteration, since each epoch and each validation ends with the whole model in train mode."""
        backbone = self._backbone(runner)
        if runner.epoch < self.epochs:
            self._freeze(backbone)
        elif self._frozen:
            self._unfreeze(backbone)

    def after_train(self, runner) -> None:
        if self._frozen:
            self._unfreeze(self._backbone(runner))

    def _freeze(self, backbone: nn.Module) -> None:
        if not self._frozen:
            self._frozen = [p for p in backbone.parameters() if p.requires_grad]
            for parameter in self._frozen:
                parameter.requires_grad_(False)
                parameter.grad = None
            print_log(f'backbone: {len(self._frozen)} parameters frozen until epoch {self.epochs}, counted from 0', 'current')
        if backbone.training:
            backbone.eval()

    def _unfreeze(self, backbone: nn.Module) -> None:
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._frozen = []
        backbone.train()
        print_log('backbone: trained from now on', 'current')
