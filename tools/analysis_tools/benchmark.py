#!/usr/bin/env python
"""Speed, memory and size of a model: forward, training step, and the share of each part. Weights are random."""
import argparse
import copy

import torch
from mmengine.optim import build_optim_wrapper

from mmicf.utils.heap import keep_freed_memory
from mmicf.utils.model_parts import all_modules, training_only_names
from mmicf.utils.model_report import (
    add_model_arguments,
    build_model,
    forward_flops,
    load_config,
    parameter_line,
    parts_of,
    random_batch,
)
from mmicf.utils.run_config import amp_optim_wrapper
from mmicf.utils.text_table import table
from mmicf.utils.timing import Clock


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_arguments(parser)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--train', action='store_true', help='also time a training step (forward, backward, update)')
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--warmup', type=int, default=2)
    parser.add_argument('--return-memory', action='store_true',
                        help='leave the C library as it is: on a CPU our tools make it keep freed memory for the next step')
    parser.add_argument('--threads', type=int, help='CPU threads; default: as torch finds them')
    return parser.parse_args()


def benchmark_forward(model, batch, args, clock: Clock, flops: dict[str, int]) -> None:
    """Print the whole forward against the backbone's, then every part's share."""
    data = model.data_preprocessor(batch, False)
    autocast = torch.autocast(clock.device.type, torch.bfloat16, enabled=args.amp)
    parts = {name: part for name, part in parts_of(model).items() if name not in training_only_names(model)}
    with torch.inference_mode(), autocast:
        calls = {'forward': lambda: model(**data, mode='predict')}
        if 'backbone' in parts:
            calls['backbone'] = lambda: model.backbone(data['inputs'].frames)
        times = clock.measure(calls, runs=args.runs, warmup=args.warmup)
        spent = clock.measure_parts(parts, calls['forward'], runs=args.runs, warmup=1)
    seconds = times['forward'].median
    print(f'forward: {times["forward"]}, {args.clips * args.frames / seconds:.2f} frames/s, '
          f'{flops[""] / seconds / 1e9:.1f} GFLOP/s')
    if 'backbone' in times:
        print(f'backbone alone: {times["backbone"]}; forward / backbone = {seconds / times["backbone"].median:.2f}')
    rest = spent[''] - sum(value for name, value in spent.items() if name and '.' not in name)
    rows = [[name, f'{spent[name]:.4f}', f'{100 * spent[name] / spent[""]:.1f}', f'{flops.get(name, 0) / 1e9:.2f}']
            for name in parts]
    rows.append(['outside of parts (post-processing)', f'{rest:.4f}', f'{100 * rest / spent[""]:.1f}', ''])
    print(table(['part', 'seconds', '%', 'GFLOPs'], rows))


def benchmark_training(model, batch, cfg, args, clock: Clock) -> None:
    """Print the time of a whole step with the config's optimizer, and what the training-only parts add to it."""
    wrapper_cfg = copy.deepcopy(cfg)
    if args.amp:
        amp_optim_wrapper(wrapper_cfg)
    model.train()
    optim_wrapper = build_optim_wrapper(model, wrapper_cfg.optim_wrapper)
    optim_wrapper.initialize_count_status(model, 0, 2 * (args.runs + args.warmup))
    extra = {name: getattr(model, name) for name in training_only_names(model)}

    def step() -> None:
        model.train_step(copy.deepcopy(batch), optim_wrapper)

    def step_without_extra() -> None:
        for name in extra:
            setattr(model, name, None)
        try:
            step()
        finally:
            for name, part in extra.items():
                setattr(model, name, part)

    calls = {'step': step, **({'without': step_without_extra} if extra else {})}
    times = clock.measure(calls, runs=args.runs, warmup=args.warmup)
    seconds = times['step'].median
    print(f'training step ({type(optim_wrapper).__name__}): {times["step"]}, '
          f'{args.clips * args.frames / seconds:.2f} frames/s')
    if extra:
        added = 100 * (seconds / times['without'].median - 1)
        print(f'without {", ".join(extra)}: {times["without"]}; training-only parts add {added:.1f} %')
        inner = {f'{name}.{child}': module for name, part in extra.items() for child, module in part.named_children()}
        if inner:
            benchmark_inner(model, inner, step, args, clock)


def benchmark_inner(model, inner: dict, step, args, clock: Clock) -> None:
    """Print what the forwards of the training-only parts take of a step, and the FLOPs of text towers."""
    texts = []
    towers = [m for m in all_modules(model) if hasattr(m, 'text_flops')]
    handles = [m.register_forward_pre_hook(lambda m, x: texts.append(m.text_flops(*x[0].shape[:2]))) for m in towers]
    step()
    for handle in handles:
        handle.remove()
    spent = clock.measure_parts(inner, step, runs=args.runs, warmup=0)
    print(table(['training-only part', 'forward seconds', '% of a step'],
                [[name, f'{spent[name]:.4f}', f'{100 * spent[name] / spent[""]:.1f}'] for name in inner]))
    if texts:
        print(f'text towers: {sum(texts) / 1e9:.1f} GFLOPs forward in a step, and as many backward to the prompts')


def main() -> None:
    args = parse_args()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    kept = not args.return_memory and keep_freed_memory()
    cfg = load_config(args)
    clock = Clock(args.device)
    before = clock.peak_memory()
    model, batch = build_model(cfg, clock.device), random_batch(cfg, args)
    where = f'{torch.get_num_threads()} threads' if clock.device.type == 'cpu' else torch.cuda.get_device_name()
    print(f'{args.config}: {args.clips} clip(s) of {args.frames} frames, {args.size}x{args.size}, {clock.device.type} '
          f'({where}{", freed memory kept" if kept else ""}), {"bfloat16 autocast" if args.amp else "float32"}, '
          f'median (quartiles) of {args.runs} runs')
    print(parameter_line(model))
    flops = forward_flops(model, batch)
    print(f'{flops[""] / 1e9:.2f} GFLOPs per forward (a multiply-add is two)')
    clock.reset_peak_memory()
    benchmark_forward(model, batch, args, clock, flops)
    kind = f'of the process, {before:.0f} before the model was built' if clock.device.type == 'cpu' else 'of tensors'
    print(f'peak memory, forward: {clock.peak_memory():.0f} MiB ({kind})')
    if args.train:
        clock.reset_peak_memory()
        benchmark_training(model, batch, cfg, args, clock)
        print(f'peak memory, training step: {clock.peak_memory():.0f} MiB ({kind})')


if __name__ == '__main__':
    main()
