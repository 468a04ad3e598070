#!/usr/bin/env python
"""Training curves of one or several runs: losses, learning rate, J and F of the validations, and any other logged scalar.

    python tools/analysis_tools/plot_runs.py ICF=work_dirs/icf_pvt_ms3 baseline=work_dirs/baseline_pvt_ms3 \\
        --keys loss lr J F 'icf.loss_*' --out work_dirs/curves

Runs are work_dirs (their ``*/vis_data/scalars.json``), with a name in front or under the folder's own. Writes runs.png and .pdf.
"""
import argparse
from pathlib import Path

from mmicf.analysis.figure_file import save_figure
from mmicf.analysis.run_logs import draw_runs, read_run, run_curves


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='[NAME=]WORK_DIR')
    parser.add_argument('--keys', nargs='+', default=['loss', 'lr', 'J', 'F'], help="scalars to draw; * stands for anything")
    parser.add_argument('--out', default='work_dirs/plot_runs', help='folder for runs.png and .pdf')
    return parser.parse_args()


def named_folders(texts: list[str]) -> dict[str, str]:
    """Folder of each run by name.

    Raises:
        ValueError: two runs have one name.
    """
    pairs = [(text.partition('=')[0], text.partition('=')[2]) if '=' in text else (Path(text).name, text) for text in texts]
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f'runs need different names, got {names}; give NAME=WORK_DIR')
    return dict(pairs)


def main() -> None:
    args = parse_args()
    runs = {name: run_curves(read_run(folder)) for name, folder in named_folders(args.runs).items()}
    files = save_figure(draw_runs(runs, args.keys), Path(args.out) / 'runs.png')
    for name, curves in runs.items():
        last = ', '.join(f'{key} {curves[key].values[-1]:.4g} ({curves[key].unit} {curves[key].steps[-1]:g})'
                         for key in args.keys if key in curves)
        print(f'{name}: {last}')
    print(*files, sep=', ')


if __name__ == '__main__':
    main()
