"""Collectives under which two ranks give the gradients and the logs of one process.

The rule of a loss that couples clips: gather with :func:`gather_rows`, compute the full mean loss on every rank with
no factor, and let DDP average. Denominators that count over the batch are ``all_reduce_mean(count)``. Every rank must
reach every call. Without a process group all functions are identities.
"""
import zlib
from collections.abc import Mapping

import torch
import torch.distributed as torch_dist
from torch import Tensor

_MAX_DIMS = 8


def world_size() -> int:
    """Number of processes; 1 without a process group."""
    if torch_dist.is_available() and torch_dist.is_initialized():
        return torch_dist.get_world_size()
    return 1


def _all_shapes(x: Tensor) -> list[list[int]]:
    """Shape of ``x`` on every rank."""
    if not 1 <= x.ndim <= _MAX_DIMS:
        raise ValueError(f'gather_rows takes 1 to {_MAX_DIMS} dimensions, got shape {tuple(x.shape)}')
    table = torch.zeros(world_size(), _MAX_DIMS + 1, dtype=torch.int64, device=x.device)
    row = torch.tensor([x.ndim, *x.shape], dtype=torch.int64)
    table[torch_dist.get_rank(), :len(row)] = row.to(x.device)
    torch_dist.all_reduce(table)
    return [shape[:ndim] for ndim, *shape in table.tolist()]


class _GatherRows(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        shapes = _all_shapes(x)
        if any(shape[1:] != shapes[0][1:] for shape in shapes):
            raise ValueError(f'gather_rows: ranks may differ in the first dimension only, found the shapes {shapes}')
        sizes = [shape[0] for shape in shapes]
        rank = torch_dist.get_rank()
        ctx.start, ctx.size = sum(sizes[:rank]), sizes[rank]
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[:len(x)] = x
        parts = [torch.empty_like(padded) for _ in sizes]
        torch_dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        # Half precision would lose the sum; the clone also keeps autograd's own buffer untouched.
        dtype = grad.dtype if grad.dtype in (torch.float32, torch.float64) else torch.float32
        total = grad.to(dtype).clone(memory_format=torch.contiguous_format)
        torch_dist.all_reduce(total)
        return total[ctx.start:ctx.start + ctx.size].to(grad.dtype)


def gather_rows(x: Tensor) -> Tensor:
    """(n, ...) on each rank, n may differ → (sum of n, ...), in the order of the ranks and the same on all of them.

    The gradient is summed over ranks, so a rank that computes the full mean loss of the gathered rows gets, after DDP's
    averaging, exactly the single-process gradient. ``mmengine.dist.all_gather`` would drop the other ranks' part.

    Raises:
        ValueError: on every rank, if the shapes differ behind the first dimension.
    """
    return x if world_size() == 1 else _GatherRows.apply(x)


def all_reduce_mean(x: Tensor) -> Tensor:
    """Mean of ``x`` over the ranks, detached; integers become float32."""
    x = x.detach()
    if not x.is_floating_point():
        x = x.float()
    if world_size() == 1:
        return x
    x = x.clone(memory_format=torch.contiguous_format)
    torch_dist.all_reduce(x)
    return x / world_size()


def reduce_log_vars(log_vars: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scalars to log, averaged over the ranks (float32), in the same order. mmengine alone logs rank 0's values.

    Raises:
        RuntimeError: on every rank, if the ranks log different names.
    """
    if world_size() == 1 or not log_vars:
        return dict(log_vars)
    values = torch.stack([value.detach().float().reshape(()) for value in log_vars.values()])
    names = zlib.crc32('\n'.join(log_vars).encode())
    # the maximum of (c, -c) over ranks tells whether all agree
    check = torch.tensor([names, -names], dtype=torch.int64, device=values.device)
    torch_dist.all_reduce(check, op=torch_dist.ReduceOp.MAX)
    low, high = -int(check[1]), int(check[0])
    if low != high:
        raise RuntimeError(f'ranks log different losses; rank {torch_dist.get_rank()} has {list(log_vars)}. Add a zero '
                           'loss (0 * output.sum()) where a branch does not run')
    return dict(zip(log_vars, all_reduce_mean(values), strict=True))
