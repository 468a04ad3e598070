"""What a run's log holds (MMEngine's ``vis_data/scalars.json``) and its curves."""
import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from .figure_file import new_figure


class Curve(NamedTuple):
    """A scalar over training: ``steps`` and ``values``; ``unit`` of the steps, 'iteration' or 'epoch'."""
    steps: list[float]
    values: list[float]
    unit: str


def read_run(folder: str | Path) -> list[dict]:
    """All records of a run in the order in which they were written, over every start of it (a resumed run has several).

    Args:
        folder: a work_dir, or one of the timed folders in it.

    Raises:
        FileNotFoundError: it holds no log.
        ValueError: a line is no json object.
    """
    folder = Path(folder)
    paths = sorted(folder.glob('*/vis_data/scalars.json')) or sorted(folder.glob('vis_data/scalars.json'))
    if not paths:
        raise FileNotFoundError(f'{folder}: found no */vis_data/scalars.json, expected the work_dir of a training run')
    records = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f'{path}, line {number}: found no json ({error})') from error
            if not isinstance(record, dict):
                raise ValueError(f'{path}, line {number}: found {type(record).__name__}, expected a json object')
            records.append(record)
    return records


def run_curves(records: Sequence[Mapping]) -> dict[str, Curve]:
    """Every scalar of a run's records by name.

    Training scalars are over iterations; those of validation over the ``step`` that MMEngine logs, epochs in a run by epochs. What
    was logged again for the same step after a resume replaces the earlier value.
    """
    by_epoch = any('epoch' in record for record in records)
    points: dict[str, dict[float, float]] = {}
    units: dict[str, str] = {}
    for record in records:
        trained = 'iter' in record
        step = record.get('iter', record.get('step'))
        for name, value in record.items():
            if step is None or name in ('iter', 'step', 'epoch') or not isinstance(value, (int, float)):
                continue
            if not trained and name in ('time', 'data_time'):
                continue  # validation logs times, too, under the names of training's
            points.setdefault(name, {})[step] = value
            units[name] = 'epoch' if by_epoch and not trained else 'iteration'
    return {name: Curve(*map(list, zip(*sorted(values.items()), strict=True)), units[name]) for name, values in points.items()}


def draw_runs(runs: Mapping[str, Mapping[str, Curve]], patterns: Sequence[str]) -> Figure:
    """A panel per scalar, a line per run.

    Args:
        runs: name → curves.
        patterns: names of scalars, ``*`` stands for anything.

    Raises:
        ValueError: a pattern that fits no scalar of any run.
    """
    names = list(dict.fromkeys(name for curves in runs.values() for name in curves))
    chosen = []
    for pattern in patterns:
        fitting = [name for name in names if fnmatch(name, pattern)]
        if not fitting:
            raise ValueError(f'no run has a scalar {pattern!r}; found {names}')
        chosen += [name for name in fitting if name not in chosen]
    across = 2 if len(chosen) == 4 else min(3, len(chosen))
    down = -(-len(chosen) // across)
    figure = new_figure(0.6 + 4.0 * across, 0.5 + 2.9 * down)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(grid, chosen, strict=False):
        for k, (run, curves) in enumerate(runs.items()):
            if name in curves:
                curve = curves[name]
                axes.plot(curve.steps, curve.values, color=f'C{k % 10}', label=run, linewidth=1.4, linestyle='-:'[k // 10 % 2],
                          marker='o' if len(curve.steps) < 40 else None, markersize=3)
                axes.set_xlabel(curve.unit, fontsize=9)
        percent = name.split('_')[-1] in ('J', 'F', 'JF', 'area', 'mIoU', 'F1', 'F0.3', 'FDR')
        axes.set_ylabel(f'{name}, %' if percent else name, fontsize=9)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
    for axes in grid[len(chosen):]:
        axes.remove()
    lines = {label: line for axes in grid[:len(chosen)] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    kept = [name for name in runs if name in lines]
    figure.legend([lines[name] for name in kept], kept, loc='outside lower center', ncols=min(len(kept), 2 * across), fontsize=9,
                  frameon=False)
    return figure
