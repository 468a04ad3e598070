#!/usr/bin/env python
"""How much pictures and sound of every clip change, the quadrants of ICF's Figure 1, and what models reach in each.

    python tools/analysis_tools/complexity.py --dataset ms3 --root data/AVSBench/Multi-sources \\
        --models baseline=out/baseline_masks icf=configs/icf/icf_pvt_ms3.py,CHECKPOINT --out work_dirs/complexity

Change of pictures: mean squared difference of consecutive frames at 224×224, pixels in [0, 1]. Change of sound: mean squared
difference of consecutive seconds' mean log-mel spectra. Writes clips.csv, quadrants.csv and quadrants.png and .pdf. J and F are
of the avsbench family; F of saved (hard) masks is not the F of scores. Saved masks are compared at the size at which the models
beside them are tested.
"""
import argparse
import csv
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger
from mmengine.utils import track_iter_progress

from mmicf.analysis.compared_models import add_models_argument, add_set_arguments, build_set, check_models, predictions
from mmicf.analysis.figure_file import new_figure, save_figure
from mmicf.analysis.scored_size import saved_masks_size, size_text
from mmicf.datasets.base import BaseAVDataset
from mmicf.datasets.transforms import ClipResize, LoadAudio, LoadFrames, LoadLogMel, LogMel
from mmicf.evaluation import AVSBenchMetric
from mmicf.evaluation.scene_complexity import QUADRANTS, picture_change, quadrant_of, quadrant_scores, sound_change
from mmicf.utils.text_table import table

COLOURS = ('C7', 'C0', 'C1', 'C3')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser)
    add_models_argument(parser, required=False)
    parser.add_argument('--picture-threshold', type=float, help='above it a clip moves; the median of the split by default')
    parser.add_argument('--sound-threshold', type=float, help='above it the sound changes; the median of the split by default')
    parser.add_argument('--empty-gt', choices=['pixel_acc', 'skip'], default='pixel_acc', help='J of frames with empty truth')
    parser.add_argument('--out', default='work_dirs/complexity')
    return parser.parse_args()


def changes(dataset: BaseAVDataset) -> tuple[np.ndarray, np.ndarray]:
    """Changes of pictures and of sound of every clip, (n,) each.

    Raises:
        ValueError: a clip has one frame only.
    """
    see = [LoadFrames(), ClipResize(size=(224, 224))]
    hear, read = [LoadAudio(), LogMel()], [LoadLogMel()]
    pictures, sounds = [], []
    for i in track_iter_progress(range(len(dataset))):
        results = dataset.get_data_info(i)
        for step in [*see, *(hear if results['audio'] else read)]:
            results = step.transform(results)
        try:
            pictures.append(picture_change(np.stack(results['frames'])))
            sounds.append(sound_change(results['log_mel']))
        except ValueError as error:
            raise ValueError(f'clip {results["clip_id"]}: {error}') from error
    return np.array(pictures), np.array(sounds)


def draw(pictures: np.ndarray, sounds: np.ndarray, thresholds: tuple[float, float], scores: list[dict], path: Path) -> None:
    """The clips in the plane of both changes, and J and F of each model by quadrant."""
    models = list(dict.fromkeys(row['model'] for row in scores))
    figure = new_figure(6.4 + 5.2 * bool(models), 5.4)
    grid = figure.add_gridspec(2, 2 if models else 1)
    axes = figure.add_subplot(grid[:, 0])
    quadrants = quadrant_of(pictures, sounds, thresholds)
    for k, name in enumerate(QUADRANTS):
        mine = quadrants == k
        axes.scatter(pictures[mine], sounds[mine], s=18, color=COLOURS[k], label=f'{name} ({mine.sum()} clips)')
    axes.axvline(thresholds[0], color='black', linewidth=1, linestyle='--')
    axes.axhline(thresholds[1], color='black', linewidth=1, linestyle='--')
    for values, scale in ((pictures, axes.set_xscale), (sounds, axes.set_yscale)):
        low, high = np.percentile(values, [10, 90])
        if values.min() > 0 and high > 20 * low:
            scale('log')
    axes.set(xlabel='change of pictures: MSE of consecutive frames, pixels in [0, 1]',
             ylabel="change of sound: MSE of consecutive seconds' log-mel")
    figure.legend(*axes.get_legend_handles_labels(), loc='outside lower left', ncols=2, fontsize=8, frameon=False)
    for place, score in enumerate(('J', 'F') if models else ()):
        bars = figure.add_subplot(grid[place, 1])
        for m, model in enumerate(models):
            values = [row[score] for row in scores if row['model'] == model]
            width = 0.8 / len(models)
            places = [q + (m - (len(models) - 1) / 2) * width for q in range(len(values))]
            drawn = bars.bar(places, values, 0.95 * width, label=model)
            bars.bar_label(drawn, fmt='%.0f', fontsize=7)
        bars.set(ylabel=f'{score}, %', ylim=(0, 109), yticks=range(0, 101, 20))
        bars.set_xticks(range(len(QUADRANTS) + 1), [*(name.replace(', ', ',\n') for name in QUADRANTS), 'all'], fontsize=8)
        if place == 0:
            bars.legend(ncols=min(4, len(models)), fontsize=8, frameon=False, loc='lower center', bbox_to_anchor=(0.5, 1))
    save_figure(figure, path)


def write_csv(path: Path, rows: list[dict]) -> None:
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    args = parse_args()
    MMLogger.get_instance('analysis', log_level='WARNING')  # the metrics would log tables of their own
    check_models(args.models)
    size = saved_masks_size(args.models)
    dataset = build_set(args)
    pictures, sounds = changes(dataset)
    thresholds = tuple(float(np.median(values)) if given is None else given
                       for values, given in ((pictures, args.picture_threshold), (sounds, args.sound_threshold)))
    quadrants = quadrant_of(pictures, sounds, thresholds)
    names = [dataset.get_data_info(i)['clip_id'] for i in range(len(dataset))]
    scores = []
    for model in args.models:
        binary = len(dataset.metainfo['classes']) == 2
        metric = AVSBenchMetric(empty_gt=args.empty_gt) if binary else AVSBenchMetric(task='semantic', absent='skip')
        metric.dataset_meta = dataset.metainfo
        for sample in predictions(model, dataset, size=size):
            metric.process({}, [sample])
        found = quadrant_scores(metric, dict(zip(names, quadrants.tolist(), strict=True)))
        scores += [{'model': model.name, **row} for row in found]
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / 'clips.csv', [
        dict(clip=name, picture_change=p, sound_change=s, quadrant=QUADRANTS[q])
        for name, p, s, q in zip(names, pictures.tolist(), sounds.tolist(), quadrants.tolist(), strict=True)])
    draw(pictures, sounds, thresholds, scores, out / 'quadrants.png')
    print(f'{args.dataset} {args.split}: {len(names)} clips, thresholds {thresholds[0]:.4g} (pictures) and {thresholds[1]:.4g} '
          '(sound)')
    if scores:
        write_csv(out / 'quadrants.csv', scores)
        print(table(['model', 'quadrant', 'clips', 'frames', 'J', 'F'],
                    [[*(row[k] for k in ('model', 'quadrant', 'clips', 'frames')), f'{row["J"]:.2f}', f'{row["F"]:.2f}']
                     for row in scores]))
    if any(model.folder for model in args.models):
        print(f'saved masks are compared at {size_text(size)}')
    print(f'{out}/clips.csv, {"quadrants.csv, " if scores else ""}quadrants.png, .pdf')


if __name__ == '__main__':
    main()
