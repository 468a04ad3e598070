#!/usr/bin/env python
"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``; several processes: ``tools/dist_test.sh``."""
import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmicf.utils.evaluators import clip_metrics, with_clip_metric
from mmicf.utils.run_config import add_run_arguments, checkpoint_check, drop_training_parts, load_run_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file; every tensor of the model must be in it')
    parser.add_argument('--show-dir', metavar='DIR', help='draw prediction, ground truth and sound of every clip')
    parser.add_argument('--out', metavar='DIR', help='write predictions as PNG files in the layout of AVSBench')
    add_run_arguments(parser)
    return parser.parse_args()


def apply_test_options(cfg: Config, args: argparse.Namespace) -> None:
    """Write the checkpoint, --show-dir and --out into the config."""
    if not Path(args.checkpoint).is_file():
        raise FileNotFoundError(f'no checkpoint at {args.checkpoint}')
    cfg.load_from, cfg.resume = args.checkpoint, False
    drop_training_parts(cfg)
    checkpoint_check(cfg, strict=True)
    if args.show_dir is not None:
        hook = cfg.default_hooks.get('visualization') or {'type': 'mmicf.AVSVisualizationHook'}
        cfg.default_hooks.visualization = {**hook, 'draw': True, 'show_dir': args.show_dir}
    if args.out is not None:
        writer = {'type': 'mmicf.AVSPredictionWriter', 'out_dir': args.out}
        thresholds = [metric['threshold'] for metric in clip_metrics(cfg.test_evaluator) if 'threshold' in metric]
        if thresholds:
            writer['threshold'] = thresholds[0]
        cfg.test_evaluator = with_clip_metric(cfg.test_evaluator, writer)


def main() -> None:
    args = parse_args()
    cfg = load_run_config(args, subfolder='test')
    apply_test_options(cfg, args)
    Runner.from_cfg(cfg).test()


if __name__ == '__main__':
    main()
