#!/usr/bin/env python
"""Clips per second of a config's data pipeline with worker processes, and its share of a training step."""
import argparse
import time

import torch
from mmengine.config import DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmicf.utils.model_report import build_model, load_config
from mmicf.utils.timing import Clock


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='which dataloader')
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--clips', type=int, default=200, help='how many clips to time; the dataset is repeated if short')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='of the training step')
    parser.add_argument('--steps', type=int, default=3, help='training steps to time on loaded batches; 0: none')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key.subkey=value')
    return parser.parse_args()


def time_loading(loader, clips: int) -> tuple[float, int, list]:
    """(seconds, clips, first batch); the first batch of each worker is a warm-up."""
    skip, done, batch, start = max(1, loader.num_workers), 0, None, 0.
    count = 0
    while done < clips:
        for batch in loader:
            count += 1
            if count > skip:
                done += len(batch['data_samples'])
            elif count == skip:
                start = time.perf_counter()
            if done >= clips:
                break
    return time.perf_counter() - start, done, batch


def time_step(cfg, batch, device: str, steps: int) -> float:
    """Median seconds of a training step on one loaded batch."""
    model = build_model(cfg, device).train()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    optim_wrapper.initialize_count_status(model, 0, steps + 1)
    step = {'step': lambda: model.train_step(batch, optim_wrapper)}
    return Clock(device).measure(step, runs=steps, warmup=1)['step'].median


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    loader_cfg = cfg[f'{args.split}_dataloader']
    loader_cfg.update(num_workers=args.workers, persistent_workers=args.workers > 0)
    loader = Runner.build_dataloader(loader_cfg, seed=0)
    seconds, clips, batch = time_loading(loader, args.clips)
    rate = clips / seconds
    print(f'{args.config} {args.split}: {type(loader.dataset).__name__}, {len(loader.dataset)} clips, {args.workers} '
          f'workers, batch {loader.batch_size}: {rate:.2f} clips/s ({clips} clips in {seconds:.4g} s)')
    if args.steps:
        step = time_step(cfg, batch, args.device, args.steps)
        load = len(batch['data_samples']) / rate
        print(f'training step of {len(batch["data_samples"])} clip(s) on {args.device}: {step:.4g} s; loading that many '
              f'takes {load:.4g} s of the workers\' time in parallel, {100 * load / step:.1f} % of a step')


if __name__ == '__main__':
    main()
