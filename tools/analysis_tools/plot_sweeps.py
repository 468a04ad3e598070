#!/usr/bin/env python
r"""Hyper-parameter curves as in ICF's Figure 5: J and F against k^c, α^o, s^d, noise (r^a) and mixed frames (r^v).

    python tools/analysis_tools/compare_configs.py configs/icf/icf_pvt_ms3.py configs/icf/ablations/fig5_kc*.py \
        --out work_dirs/fig5 --cfg-options train_dataloader.batch_size=8
    python tools/analysis_tools/plot_sweeps.py work_dirs/fig5/results.csv --out work_dirs/fig5
    python tools/analysis_tools/plot_sweeps.py ICF=out/icf/robustness.csv baseline=out/baseline/robustness.csv

Sources: results.csv of compare_configs.py (its folder holds the runs' configs), NAME=robustness.csv of robustness.py (noise and
mixed frames in test clips), or work_dirs of training runs, such as those of tools/dist_train.sh (scores of the last validation).
compare_configs.py has one GPU, which must take the 8 clips of a step that 8 GPUs share otherwise. Values are read from the
configs; a curve is made of runs of one model that differ in one setting alone, the default among them. Writes sweeps.png and .pdf.
"""
import argparse
from pathlib import Path

from mmicf.analysis.figure_file import save_figure
from mmicf.analysis.sweeps import LABELS, Point, draw_sweeps, read_comparison, read_robustness, read_trained, sweep_curves


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sources', nargs='+', help='results.csv, NAME=robustness.csv, or work_dirs')
    parser.add_argument('--scores', nargs='+', default=['J', 'F'], help='columns of the csv files to draw')
    parser.add_argument('--out', default='work_dirs/plot_sweeps', help='folder for sweeps.png and .pdf')
    return parser.parse_args()


def points_of(source: str) -> list[Point]:
    """The runs of one source.

    Raises:
        FileNotFoundError: no such file or folder.
    """
    name, equals, path = source.partition('=')
    if equals:
        if not Path(path).is_file():
            raise FileNotFoundError(f'{path}: no such robustness.csv')
        return read_robustness(name, path)
    if Path(source).is_dir():
        return [read_trained(source)]
    if not Path(source).is_file():
        raise FileNotFoundError(f'{source}: no such results.csv or work_dir')
    return read_comparison(source)


def main() -> None:
    args = parse_args()
    curves = sweep_curves([point for source in args.sources for point in points_of(source)])
    files = save_figure(draw_sweeps(curves, args.scores), Path(args.out) / 'sweeps.png')
    for setting, by_curve in curves.items():
        for name, values in by_curve.items():
            found = ', '.join(f'{x:g} ({len(runs)} runs)' for x, runs in sorted(values.items()))
            print(f'{LABELS[setting].replace("$", "")}, {name}: {found}')
    print(*files, sep=', ')


if __name__ == '__main__':
    main()
