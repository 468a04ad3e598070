#!/usr/bin/env python
"""Scores a folder of saved masks, ours or another author's, in both metric families.

    python tools/analysis_tools/eval_predictions.py PRED_DIR --dataset ms3 --root data/AVSBench/Multi-sources
    python tools/analysis_tools/eval_predictions.py PRED_DIR --dataset avss --root data/AVSBench/AVSS --config CONFIG

Masks are looked for where ``tools/test.py --out`` writes them, ``{clip_id}/{name}_{1..T}.png`` for binary sets (S4 below its
category) and ``{clip_id}/{0..T-1}.png`` for semantic ones; where AVSBench and what grew from it write them,
``{clip_id}/{name}_{0..T-1}.png`` (a ``{name}_0.png`` in a clip's folder decides, and frames padded to ten are not read); where
``tools/inference.py`` writes those of a clip's video, ``{name}/masks/{seconds}.png``; and under the names of the set's own ground
truth. They are PNG of 0 and 255 or of 0 and 1 (binary), of class ids, or in the colours of the VOC palette. F of hard masks is
not F of scores: there is one threshold, so it is lower or equal.

Masks of another size than the ground truth are compared at its size (nearest pixel), or at ``--size``. ``--config`` scores as
``tools/test.py`` does with this config: at the size of its test pipeline (224x224 for AVSS) and by the settings of its metrics.
"""
import argparse

from mmengine.config import Config
from mmengine.utils import ProgressBar

from mmicf.analysis.compared_models import add_set_arguments, build_set
from mmicf.analysis.saved_masks import check_masks, saved_clip
from mmicf.analysis.scored_size import pipeline_size, size_text
from mmicf.datasets import SETS
from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric
from mmicf.utils.evaluators import clip_metrics
from mmicf.utils.type_name import type_name


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='folder of masks')
    add_set_arguments(parser)
    parser.add_argument('--config', help='score at the size and by the metric settings of this config')
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'), help='score at this size, e.g. 224 224')
    parser.add_argument('--empty-gt', choices=['pixel_acc', 'skip'], help='J of frames with empty truth (binary sets)')
    parser.add_argument('--per-class', help='csv or json file of class scores (semantic sets)')
    return parser.parse_args()


def settings_of(config: str, dataset: str) -> tuple[tuple[int, int] | None, dict, dict]:
    """Size and settings of AVSBenchMetric and AVSConfusionMetric with which a config tests.

    Raises:
        ValueError: it tests on another kind of set.
    """
    cfg = Config.fromfile(config)
    tested = cfg.test_dataloader.dataset
    if type_name(tested) != SETS[dataset].__name__:
        raise ValueError(f'{config} tests on {tested["type"]}, expected {SETS[dataset].__name__} for --dataset {dataset}')
    found = {type_name(metric): metric for metric in clip_metrics(cfg.test_evaluator)}
    for metric in found.values():
        metric.pop('type')
        metric.pop('per_class_out', None)  # --per-class says where
    return pipeline_size(tested.pipeline), found.get('AVSBenchMetric', {}), found.get('AVSConfusionMetric', {})


def main() -> None:
    args = parse_args()
    dataset = build_set(args)
    size, bench, confusion = settings_of(args.config, args.dataset) if args.config else (None, {}, {})
    bench = {**bench, 'task': 'binary' if len(dataset.metainfo['classes']) == 2 else 'semantic'}
    for name, given in (('empty_gt', args.empty_gt), ('per_class_out', args.per_class)):
        if given is not None:
            bench[name] = given
    size = tuple(args.size) if args.size else size
    metrics = dict(avsbench=AVSBenchMetric(**bench), confusion=AVSConfusionMetric(**confusion))
    for metric in metrics.values():
        metric.dataset_meta = dataset.metainfo
    clips = [dataset.get_data_info(i) for i in range(len(dataset))]
    named, bar = check_masks(args.predictions, clips), ProgressBar(len(clips))
    for i, clip in enumerate(clips):
        sample = saved_clip(args.predictions, clip, i, size)
        for metric in metrics.values():
            metric.process({}, [sample])
        bar.update()
    print()
    scores = {family: metric.compute_metrics(metric.results) for family, metric in metrics.items()}  # logs conventions
    print(f'masks are named {named}')
    print(f'compared at {size_text(size)}; settings of the metrics: avsbench {bench}, confusion {confusion}')
    for family, found in scores.items():
        print(f'{family}: ' + ', '.join(f'{name.removeprefix("confusion_")} {value:.4f}' for name, value in found.items()))
    if bench['task'] == 'binary':
        print('F above is of hard masks, one threshold: it is not the F of scores that papers report.')


if __name__ == '__main__':
    main()
