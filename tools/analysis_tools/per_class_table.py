#!/usr/bin/env python
"""Classes × (J, F, FDR) × models: the table of ICF's supplement, for semantic sets.

    python tools/analysis_tools/per_class_table.py --dataset avss --root data/AVSBench/AVSS --out work_dirs/classes \\
        --models icf=configs/icf/icf_pvt_avss.py,CHECKPOINT baseline=out/baseline_masks

Every model's class scores are kept as OUT/{name}_avsbench.csv and OUT/{name}_confusion.csv, what ``per_class_out`` of both
metrics writes; ``--scores NAME=AVSBENCH_FILE,CONFUSION_FILE`` takes such files in place of a run. Writes classes.md and
classes.csv. J and F (avsbench family, by frame) and FDR (confusion family, over all pixels) are of different families. Saved masks
are compared at the size at which the models beside them are tested.
"""
import argparse
from pathlib import Path

from mmengine.logging import MMLogger

from mmicf.analysis.compared_models import (
    ComparedModel,
    add_models_argument,
    add_set_arguments,
    build_set,
    check_models,
    predictions,
)
from mmicf.analysis.scored_size import saved_masks_size, size_text
from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric
from mmicf.evaluation.class_table import class_markdown, class_rows, class_scores_of, write_class_csv


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser, required=False)
    add_models_argument(parser, required=False)
    parser.add_argument('--scores', nargs='*', default=[], type=score_files, metavar='NAME=AVSBENCH_FILE,CONFUSION_FILE',
                        help='per-class files (csv or json) of earlier runs')
    parser.add_argument('--out', default='work_dirs/per_class_table')
    args = parser.parse_args()
    if not args.models and not args.scores:
        parser.error('give --models, --scores or both')
    if args.models and not (args.dataset and args.root):
        parser.error('--models need --dataset and --root')
    return args


def score_files(text: str) -> tuple[str, tuple[str, str]]:
    """Name and files of ``NAME=AVSBENCH_FILE,CONFUSION_FILE``."""
    name, _, rest = text.partition('=')
    files = tuple(rest.split(','))
    if not name or len(files) != 2:
        raise argparse.ArgumentTypeError(f'{text!r}: expected NAME=AVSBENCH_FILE,CONFUSION_FILE')
    return name, files


def run(model: ComparedModel, dataset, out: Path, size: tuple[int, int] | None) -> tuple[Path, Path]:
    """Both metrics' class files of one model; saved masks are compared at ``size``.

    Raises:
        ValueError: the set has no classes to tell apart.
    """
    if len(dataset.metainfo['classes']) == 2:
        raise ValueError(f'{type(dataset).__name__} is binary; a table by class needs a semantic set (avss, vpo)')
    files = out / f'{model.name}_avsbench.csv', out / f'{model.name}_confusion.csv'
    metrics = [AVSBenchMetric(task='semantic', per_class_out=str(files[0])), AVSConfusionMetric(per_class_out=str(files[1]))]
    for metric in metrics:
        metric.dataset_meta = dataset.metainfo
    for sample in predictions(model, dataset, size=size):
        for metric in metrics:
            metric.process({}, [sample])
    for metric in metrics:
        metric.compute_metrics(metric.results)
    return files


def main() -> None:
    args = parse_args()
    MMLogger.get_instance('analysis', log_level='WARNING')  # the metrics would log tables of their own
    check_models([*args.models, *(ComparedModel(name) for name, _ in args.scores)])
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    dataset = build_set(args) if args.models else None
    size = saved_masks_size(args.models)
    files = {model.name: run(model, dataset, out, size) for model in args.models}
    files |= dict(args.scores)
    rows = class_rows({name: class_scores_of(*pair) for name, pair in files.items()})
    write_class_csv(out / 'classes.csv', rows)
    text = class_markdown(rows)
    (out / 'classes.md').write_text(text, encoding='utf-8')
    print(f'{text}\nJ, F: avsbench, frames in which the class is predicted or true; FDR: confusion, predicted pixels that are '
          'wrong; mean: over the classes with a score.')
    if any(model.folder for model in args.models):
        print(f'saved masks are compared at {size_text(size)}')
    print(f'{out}/classes.csv, classes.md')


if __name__ == '__main__':
    main()
