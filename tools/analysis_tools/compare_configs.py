#!/usr/bin/env python
"""Trains configs side by side with several seeds and prints what they reach with true, shuffled and silent sound.

``python tools/analysis_tools/compare_configs.py A.py B.py --seeds 0 1 2 --out work_dirs/compare``: one row per config, mean and
standard deviation over seeds; ``results.csv`` in OUT holds every run. Runs that are already in OUT are not trained again; those
with other ``--cfg-options`` are refused.
"""
import argparse
import csv
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmicf.utils.checkpoint import use_safe_loading
from mmicf.utils.evaluators import with_clip_metric
from mmicf.utils.run_config import checkpoint_check, drop_training_parts, silent_pipeline
from mmicf.utils.text_table import table

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ('J', 'F', 'shuffled J', 'silent area')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', help='configs with the same datasets')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--out', default='work_dirs/compare_configs')
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time; they share the CPU threads, $OMP_NUM_THREADS or all')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='overrides for every run, as for tools/train.py')
    return parser.parse_args()


def options_text(args: argparse.Namespace) -> str:
    """``--cfg-options`` as the file ``finished`` of a run holds them."""
    return ' '.join(sorted(args.cfg_options))


def check_finished(work_dirs: Sequence[Path], args: argparse.Namespace) -> None:
    """Raises:
        ValueError: one of these folders holds a finished run with other ``--cfg-options``.
    """
    options = options_text(args)
    for path in (work_dir / 'finished' for work_dir in work_dirs):
        if path.is_file() and path.read_text() != options:
            raise ValueError(f'{path.parent} holds a run with --cfg-options {path.read_text() or "none"}, not {options or "none"}; '
                             'give another --out')


def train(config: str, seed: int, work_dir: Path, args: argparse.Namespace) -> None:
    """Trains one config in a process of its own, unless ``work_dir`` holds the finished run.

    Raises:
        RuntimeError: the training failed.
    """
    finished = work_dir / 'finished'
    if finished.is_file():
        return
    work_dir.mkdir(parents=True, exist_ok=True)
    threads = max(1, int(os.environ.get('OMP_NUM_THREADS', os.cpu_count() or 1)) // args.jobs)
    command = [sys.executable, str(ROOT / 'tools/train.py'), config, '--work-dir', str(work_dir), '--cfg-options',
               f'randomness.seed={seed}', *args.cfg_options]
    with open(work_dir / 'output.txt', 'w') as log:
        code = subprocess.run(command, stdout=log, stderr=log, env={**os.environ, 'OMP_NUM_THREADS': str(threads)}).returncode
    if code:
        raise RuntimeError(f'{config} with seed {seed} failed with exit status {code}; see {work_dir}/output.txt')
    finished.write_text(options_text(args))


def test(work_dir: Path, sound: str) -> dict[str, float]:
    """Scores of a run's last checkpoint on its test set with 'true', 'shuffled' or 'silent' sound."""
    cfg = Config.fromfile(next(work_dir.glob('*.py')))
    cfg.load_from = (work_dir / 'last_checkpoint').read_text().strip()
    cfg.resume, cfg.work_dir, cfg.experiment_name = False, str(work_dir / 'test'), f'{sound}'
    cfg.default_hooks.visualization.draw = False
    dataset = cfg.test_dataloader.dataset
    if sound == 'shuffled':
        dataset.shuffle_audio = 0
    if sound == 'silent':
        dataset.pipeline = silent_pipeline(dataset.pipeline)
    cfg.test_evaluator = with_clip_metric(cfg.test_evaluator, dict(type='mmicf.ActivatedAreaMetric'))
    checkpoint_check(cfg, strict=True)
    drop_training_parts(cfg)
    return Runner.from_cfg(cfg).test()


def summary(rows: list[dict]) -> list[list[str]]:
    """One line per config: mean ± standard deviation of each column over its seeds."""
    lines = []
    for config in dict.fromkeys(row['config'] for row in rows):
        runs = [row for row in rows if row['config'] == config]
        cells = []
        for column in COLUMNS:
            values = [run[column] for run in runs]
            spread = f' ± {statistics.stdev(values):.2f}' if len(values) > 1 else ''
            cells.append(f'{statistics.mean(values):.2f}{spread}')
        lines.append([config, str(len(runs)), *cells])
    return lines


def main() -> None:
    args = parse_args()
    use_safe_loading()
    out = Path(args.out)
    names = [Path(config).stem for config in args.configs]
    if len(set(names)) < len(names):
        raise ValueError(f'configs must differ in their file names, got {names}')
    # Seed by seed, so that configs meet the same load of the machine.
    runs = [(config, seed, out / Path(config).stem / f'seed{seed}') for seed in args.seeds for config in args.configs]
    check_finished([work_dir for *_, work_dir in runs], args)
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda run: train(*run, args), runs))
    rows = []
    for config, seed, work_dir in runs:
        true, shuffled, silent = (test(work_dir, sound) for sound in ('true', 'shuffled', 'silent'))
        rows.append({'config': Path(config).stem, 'seed': seed, 'J': true['J'], 'F': true['F'], 'shuffled J': shuffled['J'],
                     'silent area': silent['area']})
    with open(out / 'results.csv', 'w', newline='') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f'\ntest set, last checkpoints, mean ± standard deviation over seeds {args.seeds} ({torch.get_num_threads()} threads)')
    print(table(['config', 'runs', *COLUMNS], summary(rows)))


if __name__ == '__main__':
    main()
