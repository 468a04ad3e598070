#!/usr/bin/env python
"""Train a segmentor: ``python tools/train.py CONFIG``; several processes: ``tools/dist_train.sh``."""
import argparse
import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint

from mmicf.utils.launcher import rank_and_processes
from mmicf.utils.run_config import add_run_arguments, amp_optim_wrapper, checkpoint_check, load_run_config

WEIGHT_FILES = ('.pth', '.pt', '.bin', '.ckpt', '.safetensors', '.npz', '.npy')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from this checkpoint; without a value, from the latest in the work dir (if any)')
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16 where the device has it)')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate by the total batch over auto_scale_lr.base_batch_size')
    add_run_arguments(parser)
    return parser.parse_args()


def apply_train_options(cfg: Config, args: argparse.Namespace) -> None:
    """Write --resume, --amp and --auto-scale-lr into the config."""
    if args.amp:
        amp_optim_wrapper(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise ValueError(f'--auto-scale-lr needs auto_scale_lr.base_batch_size in {args.config}')
        cfg.auto_scale_lr.enable = True
    if args.resume == 'auto':
        if find_latest_checkpoint(cfg.work_dir) is not None:  # else a first start, from the config's load_from
            cfg.resume, cfg.load_from = True, None
    elif args.resume is not None:
        if not Path(args.resume).is_file():
            raise FileNotFoundError(f'--resume: no checkpoint at {args.resume}')
        cfg.resume, cfg.load_from = True, args.resume
    checkpoint_check(cfg, strict=False)


def warn_of_another_batch(cfg: Config, processes: int) -> None:
    """Say so where the clips of one optimizer step are not those that the config's learning rate was made for."""
    scale = cfg.get('auto_scale_lr') or {}
    base, each = scale.get('base_batch_size'), cfg.train_dataloader.get('batch_size')
    if base is None or each is None or scale.get('enable'):
        return
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    if each * processes * steps != base:
        print_log(f'{each} clips on each of {processes} processes make a step of {each * processes * steps}, but the learning rate '
                  f'is for {base}: set train_dataloader.batch_size, or give --auto-scale-lr', 'current', logging.WARNING)


def missing_weights(part: object) -> list[str]:
    """Local files that a model's config reads and that are not there: published weights, and what our tools make beforehand."""
    if isinstance(part, dict):
        own = [part[key] for key in ('checkpoint', 'pretrained', 'path') if isinstance(part.get(key), str)]
        absent = [path for path in own if Path(path).suffix in WEIGHT_FILES and '://' not in path and not Path(path).is_file()]
        return absent + missing_weights(list(part.values()))
    return [path for value in part for path in missing_weights(value)] if isinstance(part, (list, tuple)) else []


def warn_before_run(cfg: Config) -> None:
    """Say, in the first process alone, what of the batch and of the model's files is not as the config wants it."""
    rank, processes = rank_and_processes(cfg.launcher)
    if rank > 0:
        return
    warn_of_another_batch(cfg, processes)
    missing = sorted(set(missing_weights(cfg.model)))
    if missing:  # the first one ends the run with where it comes from; this names all of them
        print_log(f'missing files: {", ".join(missing)} (published weights: docs/en/weights.md)', 'current', logging.ERROR)


def main() -> None:
    args = parse_args()
    cfg = load_run_config(args)
    apply_train_options(cfg, args)
    warn_before_run(cfg)
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
