#!/usr/bin/env python
"""Time and memory of CDCL's pairwise distances, exact low-rank form against dense D×D form: forward alone, and with backward.

The dense form takes one ``eigh`` per clip and one ``eigvalsh`` per pair, batched over pairs (where a backward follows, torch's
``eigvalsh`` finds the vectors, too). It is measured on a block of at most ``--block`` × ``--block`` clips; for more clips its
per-clip part is scaled by B and its per-pair part by B².
"""
import argparse
import math
from collections.abc import Callable
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from mmicf.models.losses.set_distance import DistributionDistance, at, halves
from mmicf.utils.text_table import table
from mmicf.utils.timing import Clock, allocated_peak

GAMMA, EPS = 0.1, 1e-3


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clips', type=int, nargs='+', default=[8, 64, 256], help='B')
    parser.add_argument('--frames', type=int, nargs='+', default=[5, 10], help='T')
    parser.add_argument('--dims', type=int, default=256, help='D')
    parser.add_argument('--block', type=int, default=8, help='the dense form is measured on this many clips at most')
    parser.add_argument('--runs', type=int, default=5, help='timed runs; the median counts')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args()


def low_rank(x: Tensor, y: Tensor, gamma: float) -> Tensor:
    """D of all pairs of unit rows, (B, T, D) × (B, T, D) → (B, B), as training computes it; W₂² where γ = 0."""
    distance = DistributionDistance(gamma, EPS)
    sets_x, sets_y = halves(distance.summarise(torch.stack((x, y)), x.new_full((2, *x.shape[:-1]), 1 / x.shape[-2])))
    return distance(at(sets_x, lambda t: t[:, None]), at(sets_y, lambda t: t[None]))


def dense_clips(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Per clip: μ (B, D), Σ (B, D, D), its square root and the entropy above its floor (B,), from one ``eigh``."""
    mean, cov = dense_moments(x)
    values, vectors = torch.linalg.eigh(cov)
    values = values.clamp(min=0)
    root = (vectors * (values + 1e-12).sqrt()[:, None]) @ vectors.mT  # 1e-12: a gradient at the D − T + 1 zeros
    return mean, cov, root, torch.log1p(values / EPS).sum(1) / (2 * max(1, x.shape[1] - 1))


def dense_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = x.mean(1)
    centred = x - mean[:, None]
    return mean, centred.mT @ centred / x.shape[1]


def dense(x: Tensor, y: Tensor, gamma: float) -> Tensor:
    """What :func:`low_rank` computes, by D×D matrices. Without entropy the clips of ``y`` need no ``eigh``."""
    mean_x, cov_x, root, entropy_x = dense_clips(x)
    mean_y, cov_y, entropy_y = *dense_moments(y), None
    if gamma:
        entropy_y = dense_clips(y)[3]
    values = torch.linalg.eigvalsh(root[:, None] @ cov_y[None] @ root[:, None])  # (B, B, D)
    trace = cov_x.diagonal(dim1=1, dim2=2).sum(1)[:, None] + cov_y.diagonal(dim1=1, dim2=2).sum(1)
    w2 = (mean_x[:, None] - mean_y).square().sum(-1) + trace - 2 * (values.clamp(min=0) + 1e-12).sqrt().sum(-1)
    return w2 + gamma * (entropy_x[:, None] + entropy_y) if gamma else w2


Form = Callable[[Tensor, Tensor, float], Tensor]


def step(function: Form, x: Tensor, y: Tensor, gamma: float, backward: bool) -> Callable[[], None]:
    """The pairwise distances and, if asked for, their backward."""

    def run() -> None:
        with torch.set_grad_enabled(backward):
            leaves = x.detach().requires_grad_(backward), y.detach().requires_grad_(backward)
            total = function(*leaves, gamma).sum()
        if backward:
            total.backward()

    return run


def clip_step(x: Tensor, backward: bool) -> Callable[[], None]:
    """The dense form's part that is done once per clip."""
    return step(lambda x, _, __: sum(part.sum() for part in dense_clips(x)), x, x, 0., backward)


def unit_clips(clips: int, frames: int, dims: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two modalities of random clips, (B, T, D) with unit rows that vary around a mean of their clip."""
    generator = torch.Generator().manual_seed(0)
    mean, noise = (torch.randn(2, clips, n, dims, generator=generator) for n in (1, frames))
    return tuple(F.normalize(mean + 0.5 * noise, dim=-1).to(device))


def repeated(call: Callable[[], None], clock: Clock) -> tuple[Callable[[], None], int]:
    """``call`` as often as fills about 0.1 s, so that short calls are timed as accurately as long ones, and how often that is."""
    call()
    start = clock.now()
    call()
    count = max(1, round(0.1 / (clock.now() - start)))

    def run() -> None:
        for _ in range(count):
            call()

    return run, count


def measure(args: argparse.Namespace, clips: int, frames: int, gamma: float) -> tuple[list[str], float]:
    """A row of the table, and the largest difference between the two forms in float64."""
    device = torch.device(args.device)
    x, y = unit_clips(clips, frames, args.dims, device)
    block = min(clips, args.block)
    small = x[:block], y[:block]
    scale, mark = clips / block, '' if block == clips else '~'
    row = [clips, frames, 'D' if gamma else 'W2']
    for backward in (False, True):
        calls = {'low-rank': step(low_rank, x, y, gamma, backward), 'dense': step(dense, *small, gamma, backward),
                 'clips': clip_step(torch.cat(small) if gamma else small[0], backward)}
        if block == clips:
            del calls['clips']
        seconds = median_seconds(calls, Clock(device), args.runs)
        per_clip = min(seconds.get('clips', 0.), seconds['dense'])
        dense_seconds = per_clip * scale + (seconds['dense'] - per_clip) * scale**2
        row += [f'{1e3 * seconds["low-rank"]:.4g}', f'{mark}{1e3 * dense_seconds:.4g}',
                f'{mark}{dense_seconds / seconds["low-rank"]:.0f}']
    memory = allocated_peak(calls['low-rank'], device), allocated_peak(calls['dense'], device) * scale**2
    low, high = (form(*(t.double() for t in small), gamma) for form in (low_rank, dense))
    return [*row, f'{memory[0]:.3g}', f'{mark}{memory[1]:.3g}'], float((low - high).abs().max())


def median_seconds(calls: dict[str, Callable[[], None]], clock: Clock, runs: int) -> dict[str, float]:
    """Of each call, which take turns."""
    turns = {name: repeated(call, clock) for name, call in calls.items()}
    times = clock.measure({name: turn for name, (turn, _) in turns.items()}, runs=runs, warmup=1)
    return {name: times[name].median / count for name, (_, count) in turns.items()}


def main() -> None:
    args = parse_args()
    timed = [f'{passes}: {name}' for passes in ('F', 'F+B') for name in ('low-rank', 'dense', 'ratio')]
    rows, errors = [], []
    for frames, clips, gamma in product(args.frames, args.clips, (0., GAMMA)):
        row, error = measure(args, clips, frames, gamma)
        rows.append(row)
        errors.append(error)
    print(f'Distances of all B×B pairs of clips: W2 = squared Wasserstein, D = W2 + {GAMMA} × entropies. Milliseconds of the '
          f'forward alone (F)\nand with backward (F+B), MiB of F+B. Rows {args.dims} wide, float32, {args.device}, '
          f'{torch.get_num_threads()} threads, median of {args.runs}')
    print(table(['B', 'T', 'of', *timed, 'low-rank MiB', 'dense MiB'], rows))
    print(f'~ scaled from {args.block}×{args.block} clips, all pairs in one batch; the two forms differ by at most '
          f'{max(errors):.1e} in float64 (the dense root adds 1e-12 to each eigenvalue, up to '
          f'{2 * args.dims * math.sqrt(1e-12):.1e})')


if __name__ == '__main__':
    main()
