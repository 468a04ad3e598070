"""Names and parameters of a segmentor's parts, the training-only ones told apart."""
from collections.abc import Iterator

from torch import nn

TRAINING_ONLY = ('icf',)


def training_only_names(model: nn.Module) -> tuple[str, ...]:
    """Children that run in training only: ``icf``, unless the decoder reads its text."""
    parts = {name: getattr(model, name, None) for name in TRAINING_ONLY}
    return tuple(name for name, part in parts.items()
                 if isinstance(part, nn.Module) and not getattr(part, 'text_in_decoder', False))


def all_modules(module: nn.Module, seen: set[int] | None = None) -> Iterator[nn.Module]:
    """``module`` and all below, with the frozen towers that are kept out of ``_modules`` (and of checkpoints)."""
    seen = set() if seen is None else seen
    if id(module) in seen:
        return
    seen.add(id(module))
    yield module
    hidden = [value for value in vars(module).values() if isinstance(value, nn.Module)]
    for child in [*module._modules.values(), *hidden]:
        if child is not None:
            yield from all_modules(child, seen)


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """(all, trainable) numbers in parameters, frozen towers included, shared ones counted once."""
    parameters = {id(p): p for m in all_modules(module) for p in m._parameters.values() if p is not None}.values()
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
