"""Floating-point operations of a model, by part."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@contextmanager
def unfused_attention() -> Iterator[None]:
    """Fused attention kernels count as zero operations; within this context attention is plain matrix products."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """No parameter asks for gradients: the counter's hooks stumble over views of those that do, even without autograd."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def count_flops(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Operations of one ``run()``: of the whole under ``''``, of each module by its name in ``model``.

    A multiply-add counts as two. Matrix products and convolutions are counted, with attention; elementwise operations,
    norms and sampling are not.

    Args:
        model: whose modules are told apart.
        run: calls ``model``; only forward passes.
    """
    with torch.no_grad(), _frozen(model), unfused_attention(), FlopCounterMode(mods=model, display=False) as counter:
        run()
    counts = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    root = type(model).__name__ + '.'
    flops = {name.removeprefix(root): count for name, count in counts.items() if name.startswith(root)}
    return {'': counter.get_total_flops(), **flops}
