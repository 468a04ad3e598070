#!/usr/bin/env python
"""Scores a folder of saved masks, ours or another author's, in both metric families.

    python tools/analysis_tools/eval_predictions.py PRED_DIR --dataset ms3 --root data/AVSBench/Multi-sources

Masks are looked for where ``tools/test.py --out`` writes them, ``{clip_id}/{name}_{1..T}.png`` for binary sets (S4 below its
category) and ``{clip_id}/{0..T-1}.png`` for semantic ones, where ``tools/inference.py`` writes those of a clip's video,
``{name}/masks/{seconds}.png``, and under the names of the set's own ground truth. They are PNG of 0 and
255 or of 0 and 1 (binary), of class ids, or in the VOC palette. Masks of another size than the ground truth are compared at its
size (nearest pixel), or at ``--size``. F of hard masks is not F of scores: there is one threshold, so it is lower or equal.
"""
import argparse

from mmengine.utils import ProgressBar

from mmicf.analysis.compared_models import add_set_arguments, build_set
from mmicf.analysis.saved_masks import check_masks, saved_clip
from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='folder of masks')
    add_set_arguments(parser)
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'), help='score at this size, e.g. 224 224')
    parser.add_argument('--empty-gt', choices=['pixel_acc', 'skip'], default='pixel_acc', help='J of frames with empty truth')
    parser.add_argument('--per-class', help='csv or json file of class scores (semantic sets)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    dataset = build_set(args)
    clips = [dataset.get_data_info(i) for i in range(len(dataset))]
    check_masks(args.predictions, clips)
    binary = len(dataset.metainfo['classes']) == 2
    metrics = [AVSBenchMetric(empty_gt=args.empty_gt) if binary else AVSBenchMetric(task='semantic', per_class_out=args.per_class),
               AVSConfusionMetric()]
    samples, bar = [], ProgressBar(len(clips))
    for i, clip in enumerate(clips):
        samples.append(saved_clip(args.predictions, clip, i, args.size))
        bar.update()
    print()
    for metric in metrics:
        metric.dataset_meta = dataset.metainfo
        for sample in samples:
            metric.process({}, [sample])
        found = metric.compute_metrics(metric.results)
        family = 'confusion' if isinstance(metric, AVSConfusionMetric) else 'avsbench'
        print(f'{family}: ' + ', '.join(f'{name.removeprefix("confusion_")} {value:.4f}' for name, value in found.items()))
    if binary:
        print('F above is of hard masks, one threshold: it is not the F of scores that papers report.')


if __name__ == '__main__':
    main()
