#!/usr/bin/env python
"""What a model makes of sound that is not the clip's: the question of AVSBench-Robust, for any model and set.

One model, one set of masks, one audio front end, one way of grouping clips: only the sound changes. J and F stay those against
the clip's own masks, so under silence, noise and off-screen sound lower is better; ``area`` is the share of marked pixels and
``empty_J`` the share of unmarked ones. Frames that show another clip (``--mix``) have empty masks, because what sounds is not in
view: with ``empty_gt='skip'`` J is that of the other frames.

    python tools/analysis_tools/robustness.py CONFIG CHECKPOINT --out work_dirs/robustness --snr 20 10 0

Off-screen sound needs to know what clips show. MS3 names no classes; AVSS's metadata.csv has the same videos: give it as
``--categories``. Without it that row is left out. The csv is written after each row.
"""
import argparse
import copy
import csv
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmicf.analysis.clip_categories import categories_file, write_categories
from mmicf.datasets.offscreen import class_names
from mmicf.datasets.synthetic_truth import scene_categories
from mmicf.registry import DATASETS
from mmicf.utils.checkpoint import use_safe_loading
from mmicf.utils.evaluators import clip_metrics
from mmicf.utils.run_config import checkpoint_check, drop_training_parts
from mmicf.utils.text_table import table
from mmicf.utils.type_name import type_name

COLUMNS = ('J', 'F', 'JF', 'area', 'empty_J')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--out', default='work_dirs/robustness', help='folder for robustness.csv, .png and .pdf')
    parser.add_argument('--seed', type=int, default=0, help='of noise, shuffling and off-screen sounds')
    parser.add_argument('--snr', type=float, nargs='*', default=[20., 10., 0., -10.], help='dB of noise added to the sound')
    parser.add_argument('--mix', type=float, nargs='*', default=[0.25], help="shares of clips with another clip's frames")
    names = parser.add_mutually_exclusive_group()
    names.add_argument('--categories', help="for off-screen sound on MS3: AVSS's metadata.csv, or a json of clip_id to class names")
    names.add_argument('--truth', help="a synthetic split's truth folder, in place of --categories")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key.subkey=value')
    return parser.parse_args()


def after(pipeline: list, name: str, step: dict) -> list:
    """The pipeline with ``step`` behind the transform ``name``.

    Raises:
        ValueError: it has no such transform.
    """
    names = [type_name(transform) for transform in pipeline]
    if name not in names:
        raise ValueError(f'robustness needs a test pipeline with {name}, found {names}; stored log-mel files cannot be changed')
    place = names.index(name) + 1
    return [*pipeline[:place], step, *pipeline[place:]]


def conditions(args: argparse.Namespace, categories: str | None) -> dict[str, dict]:
    """Name → ``dict(after=, step=)`` for the pipeline, or ``dict(dataset=)`` options of the dataset."""
    named = {} if categories is None else dict(categories=categories)  # the config's dataset may have its own
    out = {
        'original': {},
        'silence': dict(after='LoadAudio', step=dict(type='mmicf.SilenceAudio')),
        'noise': dict(after='LoadAudio', step=dict(type='mmicf.NoiseAudio')),
        'off-screen': dict(dataset=dict(offscreen_audio=args.seed, **named)),
        'shuffled': dict(dataset=dict(shuffle_audio=args.seed)),
    }
    for snr in args.snr:
        out[f'SNR {snr:g} dB'] = dict(after='LoadAudio', step=dict(type='mmicf.AudioNoise', snr_db=snr))
    for share in args.mix:
        out[f'mixed {share:g}'] = dict(after='LoadMasks', step=dict(type='mmicf.FrameMixing', ratio=share))
    return out


def changed(cfg: Config, name: str, change: dict, out: Path) -> Config:
    """The config of one condition."""
    cfg = copy.deepcopy(cfg)
    dataset = cfg.test_dataloader.dataset
    if 'step' in change:
        dataset.pipeline = after(dataset.pipeline, change['after'], change['step'])
    dataset.update(change.get('dataset', {}))
    cfg.work_dir, cfg.experiment_name = str(out / 'runs'), name.replace(' ', '_')
    return cfg


def robust_metric(evaluators: list | dict, classes: int) -> dict:
    """AVSRobustMetric with the settings of the config's AVSBenchMetric; where it has none, with those for so many classes."""
    default = dict(task='binary' if classes == 2 else 'semantic')
    own = next((e for e in clip_metrics(evaluators) if type_name(e) == 'AVSBenchMetric'), default)
    own.pop('per_class_out', None)
    return {**own, 'type': 'mmicf.AVSRobustMetric'}


def without_classes(dataset: dict) -> str:
    """Why off-screen sound cannot be had of a dataset with ``offscreen_audio``; empty where it can.

    Raises:
        ValueError: a clip has no class, or no sound is left for it, though others name theirs.
    """
    clips = DATASETS.build({**dataset, 'pipeline': [], 'offscreen_audio': None})
    if not any(class_names(clips.get_data_info(i)) for i in range(len(clips))):
        return (f'no row for off-screen sound: the clips of {dataset["data_root"]} name no classes; give --categories (for MS3 '
                "AVSS's metadata.csv, which has the same videos)")
    DATASETS.build({**dataset, 'pipeline': [], 'verify': False})  # what it lacks is said now, not after hours of other rows
    return ''


def write(rows: list[dict], path: Path) -> None:
    """The rows so far, and how far J drops from that of the first."""
    for row in rows:
        row['drop'] = rows[0]['J'] - row['J']
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, ['condition', *COLUMNS, 'drop'], extrasaction='ignore')
        writer.writeheader()
        writer.writerows(rows)


def plot(rows: list[dict], title: str, path: Path) -> None:
    """J, F and area of every condition, as png and pdf."""
    figure = Figure(figsize=(1.6 + 0.9 * len(rows), 4.2), layout='constrained')
    axes = figure.subplots()
    for k, (column, label) in enumerate((('J', 'J'), ('F', 'F'), ('area', 'marked area'))):
        axes.bar([i + 0.27 * (k - 1) for i in range(len(rows))], [row[column] for row in rows], 0.25, label=label)
    axes.set_xticks(range(len(rows)), [row['condition'] for row in rows], rotation=30, ha='right')
    axes.set(ylabel='%', ylim=(0, 100), title=title)
    axes.legend(frameon=False, ncols=3)
    FigureCanvasAgg(figure)
    for suffix in ('.png', '.pdf'):
        figure.savefig(path.with_suffix(suffix), dpi=150)


def main() -> None:
    args = parse_args()
    use_safe_loading()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.load_from, cfg.resume = args.checkpoint, False
    cfg.setdefault('randomness', {})['seed'] = args.seed
    cfg.test_dataloader.dataset.seed = args.seed
    if 'visualization' in cfg.get('default_hooks', {}):
        cfg.default_hooks.visualization.draw = False
    checkpoint_check(cfg, strict=True)
    drop_training_parts(cfg)
    categories = write_categories(scene_categories(args.truth), out) if args.truth else categories_file(args.categories, out)
    init_default_scope(cfg.get('default_scope', 'mmicf'))
    classes = DATASETS.get(cfg.test_dataloader.dataset.type).METAINFO['classes']
    cfg.test_evaluator = [robust_metric(cfg.test_evaluator, len(classes))]
    tests = {name: changed(cfg, name, change, out) for name, change in conditions(args, categories).items()}
    note = without_classes(tests['off-screen'].test_dataloader.dataset)
    if note:
        del tests['off-screen']
        print(note)
    rows = []
    for name, test in tests.items():
        rows.append({'condition': name, **Runner.from_cfg(test).test()})
        write(rows, out / 'robustness.csv')
    plot(rows, Path(args.config).stem, out / 'robustness.png')
    print(f'\n{args.config} with {args.checkpoint}; metric and front end are the same in every row, and so are '
          'the masks, but those of mixed frames are empty')
    lines = [[row['condition'], *(f'{row[c]:.2f}' for c in (*COLUMNS, 'drop'))] for row in rows]
    print(table(['condition', *COLUMNS, 'drop of J'], lines))
    if note:
        print(note)  # the first one is far above the table
    print(f'{out}/robustness.csv, .png, .pdf')


if __name__ == '__main__':
    main()
