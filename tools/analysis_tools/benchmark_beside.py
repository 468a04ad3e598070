#!/usr/bin/env python
"""Speed of a model beside another implementation of it, in turns in one process.

    python tools/analysis_tools/benchmark_beside.py CONFIG FILE --runs 5 --threads 2

FILE is a Python file with ``build()``, which returns an object with ``model`` (the whole network, frozen parts included),
``forward()`` (evaluates one batch) and ``loss()`` (the batch's training loss, a scalar tensor). Both hear and see random batches of
their own, of the same shapes if FILE makes them so; weights are random. Training is forward and backward, without an update.
"""
import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from mmicf.utils.heap import keep_freed_memory
from mmicf.utils.model_parts import count_parameters
from mmicf.utils.model_report import add_model_arguments, build_model, load_config, random_batch
from mmicf.utils.text_table import table
from mmicf.utils.timing import Clock, Times


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('other', help='Python file with build()')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu',
                        help='of our model; the other one runs where its build() puts it')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--warmup', type=int, default=1)
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--return-memory', action='store_true', help='leave the C library as it is (see benchmark.py)')
    return parser.parse_args()


def load_other(path: str) -> ModuleType:
    """The file as a module.

    Raises:
        FileNotFoundError: no such file.
        AttributeError: it has no ``build``.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no Python file at {path}')
    spec = importlib.util.spec_from_file_location('beside', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, 'build'):
        raise AttributeError(f'{path} must define build(), found {[name for name in vars(module) if not name.startswith("_")]}')
    return module


def backward(model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """One forward and backward pass; gradients are dropped, as ``zero_grad`` drops them."""
    loss().backward()
    model.zero_grad(set_to_none=True)


def measure(models: dict[str, nn.Module], forwards: dict, losses: dict, args: argparse.Namespace,
            clock: Clock) -> dict[str, dict[str, Times]]:
    """Times of every model, forward (eval mode, without gradients) and forward with backward (train mode)."""
    for model in models.values():
        model.eval()
    with torch.no_grad():
        forward = clock.measure(forwards, runs=args.runs, warmup=args.warmup)
    for model in models.values():
        model.train()
    steps = {name: lambda name=name: backward(models[name], losses[name]) for name in models}
    return {'forward': forward, 'forward and backward': clock.measure(steps, runs=args.runs, warmup=args.warmup)}


def main() -> None:
    args = parse_args()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    cfg = load_config(args)
    kept = not args.return_memory and keep_freed_memory()
    clock = Clock(args.device)
    ours, batch = build_model(cfg, clock.device), random_batch(cfg, args)
    data = ours.data_preprocessor(batch, False)
    other = load_other(args.other).build()
    models = {'ours': ours, 'other': other.model}
    times = measure(models, {'ours': lambda: ours(**data, mode='predict'), 'other': other.forward},
                    {'ours': lambda: ours.parse_losses(ours(**data, mode='loss'))[0], 'other': other.loss}, args, clock)
    print(f'{args.config} beside {Path(args.other).name}: {args.clips} clip(s) of {args.frames} frames, {args.size}x{args.size}, '
          f'{clock.device} ({torch.get_num_threads()} threads{", freed memory kept" if kept else ""}), float32, median (quartiles) '
          f'of {args.runs} runs in turns')
    for name, model in models.items():
        total, trained = count_parameters(model)
        print(f'{name}: {total / 1e6:.2f} M parameters, {trained / 1e6:.2f} M trainable')
    rows = [[name, str(t['ours']), str(t['other']), f'{t["other"].median / t["ours"].median:.2f}'] for name, t in times.items()]
    print(table(['', 'ours', 'other', 'other / ours'], rows))


if __name__ == '__main__':
    main()
