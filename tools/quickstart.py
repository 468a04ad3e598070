"""The embedded default: makes synthetic clips, trains a tiny model on them, tests it and draws the result, on CPU in minutes.

Prints J (frames with a sounding object only) with the true sound and with the sound shuffled between clips, next to the levels
that an all-foreground mask and the best guess that does not hear reach on the same clips.
"""
import argparse
import copy
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmicf.datasets.synthetic_truth import chance_levels, choice_score
from mmicf.utils.evaluators import clip_metrics
from mmicf.utils.heap import keep_freed_memory
from mmicf.utils.run_config import drop_training_parts, silent_pipeline

ROOT = Path(__file__).resolve().parents[1]
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--config', default='configs/icf/icf_tiny_synthetic.py')
    parser.add_argument('--silent', action='store_true', help='train and test the same model on silent input')
    parser.add_argument('--data', default='data/synthetic_ms3')
    parser.add_argument('--work-dir', default=None, help='default: work_dirs/quickstart or work_dirs/quickstart_silent')
    parser.add_argument('--num-train', type=int, default=160)
    parser.add_argument('--num-test', type=int, default=40)
    parser.add_argument('--max-epochs', type=int, help='default: as the config says')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args()


def make_config(args: argparse.Namespace) -> Config:
    cfg = Config.fromfile(args.config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = f'{args.data}/Multi-sources'
        if args.silent:
            loader.dataset.pipeline = silent_pipeline(loader.dataset.pipeline)
    if args.max_epochs:
        cfg.train_cfg.max_epochs = args.max_epochs
        cfg.train_cfg.val_interval = min(cfg.train_cfg.val_interval, args.max_epochs)
        cfg.param_scheduler[-1].end = args.max_epochs
    cfg.randomness.seed = args.seed
    cfg.work_dir = args.work_dir or f'work_dirs/quickstart{"_silent" if args.silent else ""}'
    cfg.default_hooks.logger.interval = 20
    return cfg


def test(cfg: Config, checkpoint: str, *, split: str = 'test', shuffle_audio: int | None = None, show_dir: str | None = None,
         thresholds: Sequence[float] = (0.5, ), masks: str | None = None) -> list[float]:
    """J of a checkpoint at each threshold, with the sounds shuffled between clips if ``shuffle_audio`` is a seed.

    ``masks`` is a folder for the predictions at the first threshold.
    """
    cfg = copy.deepcopy(cfg)
    cfg.load_from, cfg.work_dir = checkpoint, f'{cfg.work_dir}/test'  # the Runner would write over the training's config
    drop_training_parts(cfg)
    if split == 'val':
        cfg.test_dataloader = cfg.val_dataloader
    cfg.test_dataloader.dataset.shuffle_audio = shuffle_audio
    metric, = clip_metrics(cfg.test_evaluator)
    cfg.test_evaluator = [{**metric, 'threshold': t, 'prefix': f'above_{t}'} for t in thresholds]
    if masks:
        cfg.test_evaluator.append(dict(type='mmicf.AVSPredictionWriter', out_dir=masks, threshold=thresholds[0]))
    cfg.default_hooks.visualization.update(draw=show_dir is not None, interval=10, show_dir=show_dir)
    cfg.experiment_name = f'{split}_{"true" if shuffle_audio is None else "shuffled"}_{time.time_ns()}'
    scores = Runner.from_cfg(cfg).test()
    return [scores[f'above_{t}/J'] for t in thresholds]


def main() -> None:
    args = parse_args()
    os.chdir(ROOT)
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', min(2, os.cpu_count() or 1))))
    keep_freed_memory()
    start = time.time()
    subprocess.run([sys.executable, 'tools/dataset_converters/synthetic_avs.py', args.data, '--subset', 'ms3', '--num-train',
                    str(args.num_train), '--num-val', '20', '--num-test', str(args.num_test), '--seed', str(args.seed), '--size',
                    '112'],
                   check=True)
    cfg = make_config(args)
    Runner.from_cfg(copy.deepcopy(cfg)).train()
    checkpoint = str(max(Path(cfg.work_dir).glob('best_JF_epoch_*.pth'), key=os.path.getmtime))
    show_dir = f'{cfg.work_dir}/overlays'
    rows = {f'model, {"silent" if args.silent else "true"} sound': test(cfg, checkpoint, show_dir=show_dir)[0]}
    if args.silent:
        # Without sound every object sounds with a probability near one half, so 0.5 is an arbitrary cut. The best mask that ignores
        # sound is best in J; the model's own best cut is the like of it.
        on_val = test(cfg, checkpoint, split='val', thresholds=THRESHOLDS)
        best = THRESHOLDS[on_val.index(max(on_val))]
        masks = f'{cfg.work_dir}/masks'
        rows[f'  at the threshold best on val, {best}'] = test(cfg, checkpoint, thresholds=[best], masks=masks)[0]
        # That guess is drawn with the true outlines, the model's with its own.
        rows['    the same objects, true outlines'] = choice_score(masks, f'{args.data}/truth/test')
    rows['model, sound shuffled between clips'] = test(cfg, checkpoint, shuffle_audio=0)[0]
    chance = chance_levels(f'{args.data}/truth/test')
    print(f'\ncheckpoint {checkpoint}, overlays in {show_dir}')
    print(f'J over test frames with a sounding object ({(time.time() - start) / 60:.1f} min):')
    rows |= {'all-foreground mask': chance['all_foreground'], 'best mask that ignores sound': chance['best_blind']}
    for name, value in rows.items():
        print(f'  {name:<36} {value:6.2f}')


if __name__ == '__main__':
    main()
