"""Weight decay that spares norms and embeddings wherever they stand."""
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from mmicf.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class NormDecayConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, except that ``norm_decay_mult`` also holds where a custom key matches, and for embeddings.

    In mmengine a parameter that a custom key matches keeps its weight decay: with ``'backbone': dict(lr_mult=0.1)`` all norms of
    the backbone decay. Mask2Former and COMBO spare every norm and every ``nn.Embedding``, the backbone's too.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module: int | float | None = None) -> None:
        """Append the groups of ``module`` and of what is in it to ``params``."""
        plain, mult = self.paramwise_cfg, self.paramwise_cfg.get('norm_decay_mult')
        if mult is not None and isinstance(module, (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.Embedding)):
            keys = {'': {}, **plain.get('custom_keys', {})}  # the empty key matches what no other does
            self.paramwise_cfg = {**plain, 'custom_keys': {key: {**value, 'decay_mult': mult} for key, value in keys.items()}}
        super().add_params(params, module, prefix, is_dcn_module)
        self.paramwise_cfg = plain
