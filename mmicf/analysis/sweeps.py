"""Hyper-parameter curves (ICF, Figure 5): what varies is read from the runs' configs."""
import csv
import inspect
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from mmengine.config import Config

from mmicf.models.counterfactuals import SemanticCounterfactual
from mmicf.utils.type_name import type_name

from .figure_file import new_figure
from .run_logs import read_run, run_curves

# Setting: label of its axis. 'train' and 'test' say which clips are corrupted.
LABELS = {
    'num_counterfactuals': 'top-k counterfactuals $k^c$',
    'alpha': 'orthogonality $α^o$ (lower end of its range)',
    'intervention_step': 'diffusion step $s^d$',
    'snr': 'signal-to-noise ratio $r^a$, dB',
    'mix': 'frame mixing $r^v$, share of clips'
}
CLEAN = {'snr': math.inf, 'mix': 0.}
LEAST_RANGE = 5.  # points that an axis spans at least, so that noise does not look like a trend


class Point(NamedTuple):
    """Scores of one run.

    Attributes:
        model: 'ICF', 'baseline', or a name.
        rest: all of the config that makes model and data but the settings: runs with another rest are not of one curve.
        settings: value of each of :data:`LABELS` that the model has; 'snr' and 'mix' as (training clips, test clips).
        scores: by name, ×100.
    """
    model: str
    rest: str
    settings: dict
    scores: dict[str, float]


def point_of(cfg: Config, scores: dict[str, float]) -> Point:
    """A config's point; settings that it leaves out have the default of :class:`SemanticCounterfactual`."""
    model, settings = cfg.model.to_dict(), {}
    counterfactual = (model.get('icf') or {}).get('counterfactual')
    if counterfactual:
        defaults = inspect.signature(SemanticCounterfactual.__init__).parameters
        for setting, key in (('num_counterfactuals', ) * 2, ('alpha', 'alpha_range'), ('intervention_step', ) * 2):
            value = counterfactual.pop(key, defaults[key].default)
            settings[setting] = value[0] if setting == 'alpha' else value
    pipelines = [[dict(step) for step in cfg[f'{loader}_dataloader'].dataset.pipeline] for loader in ('train', 'test')]
    for setting, kind, key in (('snr', 'AudioNoise', 'snr_db'), ('mix', 'FrameMixing', 'ratio')):
        steps = [[step for step in pipeline if type_name(step) == kind] for pipeline in pipelines]
        settings[setting] = tuple(float(step[0].pop(key)) if step else CLEAN[setting] for step in steps)
        pipelines = [[step for step in pipeline if step not in mine] for pipeline, mine in zip(pipelines, steps, strict=True)]
    return Point('ICF' if model.get('icf') else 'baseline', repr((model, pipelines)), settings, scores)


def read_comparison(path: str | Path) -> list[Point]:
    """Points of a ``results.csv`` of ``compare_configs.py``; the configs are those of the runs beside it.

    Raises:
        FileNotFoundError: a run's config is not there.
        ValueError: the file has other columns.
    """
    path = Path(path)
    points = []
    for row in _rows(path, ('config', 'seed', 'J', 'F')):
        config = path.parent / row['config'] / f'seed{row["seed"]}' / f'{row["config"]}.py'
        if not config.is_file():
            raise FileNotFoundError(f'{config}: no such config, expected that of the run which {path} lists')
        scores = {key: float(value) for key, value in row.items() if key not in ('config', 'seed')}
        points.append(point_of(Config.fromfile(config), scores))
    return points


def read_robustness(name: str, path: str | Path) -> list[Point]:
    """Points of a ``robustness.csv`` of ``robustness.py``: one model, noise and mixed frames in the test clips only.

    Raises:
        ValueError: the file has other columns.
    """
    points = []
    for row in _rows(Path(path), ('condition', 'J', 'F')):
        kind, _, value = row['condition'].partition(' ')
        snr, mix = CLEAN['snr'], CLEAN['mix']
        if kind == 'SNR':
            snr = float(value.removesuffix(' dB'))
        elif kind == 'mixed':
            mix = float(value)
        elif kind != 'original':
            continue
        scores = {key: float(row[key]) for key in row if key != 'condition'}
        points.append(Point(name, '', dict(snr=(CLEAN['snr'], snr), mix=(CLEAN['mix'], mix)), scores))
    return points


def read_trained(folder: str | Path) -> Point:
    """Point of a work_dir: its config, and the scores of its last validation.

    Raises:
        FileNotFoundError: no config or no log in it.
        ValueError: its config corrupts test clips, which the validations of a run do not see; or it was never validated.
    """
    folder = Path(folder)
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        raise FileNotFoundError(f'{folder}: found {len(configs)} configs, expected one, as a training run leaves it')
    curves = run_curves(read_run(folder))
    scores = {name: curves[name].values[-1] for name in ('J', 'F', 'JF') if name in curves}
    if not scores:
        raise ValueError(f'{folder}: found no validation with J in its log')
    point = point_of(Config.fromfile(configs[0]), scores)
    changed = [name for name in CLEAN if point.settings[name][1] != CLEAN[name]]
    if changed:
        raise ValueError(f'{folder}: its config changes test clips ({changed[0]}), which the log of a training run does not '
                         'show; give the results.csv of compare_configs.py')
    return point


def _rows(path: Path, columns: Sequence[str]) -> list[dict]:
    with open(path, newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f'{path}: found the columns {reader.fieldnames}, expected {list(columns)} among them')
        return list(reader)


def sweep_curves(points: Sequence[Point]) -> dict[str, dict[str, dict[float, list[Mapping]]]]:
    """Setting → curve → value → scores of its runs: a curve is runs of one model that differ in this setting alone.

    Noise and mixed frames have curves of their own for training and for test clips. Only what has two values is a curve.
    """
    found: dict[str, dict[tuple, dict[float, list]]] = {}
    for point in points:
        for setting, value in point.settings.items():
            for side, x in enumerate(value if setting in CLEAN else [value]):
                others = {**point.settings, setting: value[1 - side] if setting in CLEAN else None}
                where = f', {("training", "test")[side]} clips' if setting in CLEAN else ''
                curve = (point.model + where, point.rest, repr(others))
                found.setdefault(setting, {}).setdefault(curve, {}).setdefault(x, []).append(point.scores)
    out = {}
    for setting in LABELS:
        curves = [(name, values) for (name, *_), values in found.get(setting, {}).items() if len(values) > 1]
        names = [name for name, _ in curves]
        for k, (name, values) in enumerate(curves):
            again = names[:k].count(name)  # other models or data under one name
            out.setdefault(setting, {})[f'{name} ({again + 1})' if again else name] = values
    return out


def draw_sweeps(curves: Mapping[str, Mapping], scores: Sequence[str]) -> Figure:
    """A column per setting, a row per score: mean over runs of the same value, bars of one standard deviation.

    Axes of scores span at least 5 points. No noise at all stands at the right end of its axis, as 'clean'.

    Args:
        curves: of :func:`sweep_curves`.
        scores: names, such as J and F.

    Raises:
        ValueError: no curve, or a score that the runs do not have.
    """
    if not curves:
        raise ValueError('no setting has two values among the runs; a curve needs runs that differ in one setting alone')
    figure = new_figure(0.6 + 3.9 * len(curves), 0.5 + 3.0 * len(scores))
    grid = figure.subplots(len(scores), len(curves), squeeze=False)
    names = list(dict.fromkeys(name for by_curve in curves.values() for name in by_curve))
    for column, (setting, by_curve) in enumerate(curves.items()):
        values = sorted({x for points in by_curve.values() for x in points})
        finite = [x for x in values if math.isfinite(x)]
        step = (finite[-1] - finite[0]) / max(1, len(finite) - 1) or 10.
        place = {x: x if math.isfinite(x) else finite[-1] + step for x in values}
        for row, score in enumerate(scores):
            axes = grid[row, column]
            for name, points in by_curve.items():
                xs = sorted(points)
                runs = [[run[score] for run in points[x] if score in run] for x in xs]
                if not all(runs):
                    raise ValueError(f'{name}: a run has no score {score!r}; found {sorted(points[xs[0]][0])}')
                k = names.index(name)
                spread = [statistics.stdev(r) if len(r) > 1 else 0 for r in runs]
                axes.errorbar([place[x] for x in xs], [statistics.mean(r) for r in runs], spread if any(spread) else None,
                              color=f'C{k % 10}', marker='osD^v'[k % 5], markersize=4, linewidth=1.4, capsize=3, label=name)
            axes.set_xticks([place[x] for x in values], [f'{x:g}' if math.isfinite(x) else 'clean' for x in values])
            low, high = axes.get_ylim()
            spare = max(0., LEAST_RANGE - (high - low)) / 2
            axes.set_ylim(low - spare, high + spare)
            axes.set_ylabel(f'{score}, %', fontsize=9)
            axes.set_xlabel(LABELS[setting], fontsize=9)
            axes.tick_params(labelsize=8)
            axes.grid(alpha=0.3)
    handles = {label: handle for axes in grid[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc='outside lower center', ncols=min(len(handles), 2 * len(curves)), fontsize=9,
                  frameon=False)
    return figure
