"""Classes × (J, F, FDR) × models, as in ICF's supplement, from the per-class files of both metric families.

J and F are frame scores of the avsbench family (:class:`AVSBenchMetric`), FDR is of the confusion family
(:class:`AVSConfusionMetric`); FDR: share of a class's predicted pixels that are wrong.
"""
import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

SCORES = ('J', 'F', 'FDR')
NAN = float('nan')


def read_class_file(path: str | Path) -> dict[str, dict[str, float]]:
    """Scores by class of a file that a metric's ``per_class_out`` wrote; undefined ones are NaN.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no csv or json of classes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file of class scores')
    try:
        with open(path, newline='', encoding='utf-8') as file:
            rows = json.load(file) if path.suffix == '.json' else list(csv.DictReader(file))
        return {row['class']: {key: NAN if value in (None, '') else float(value) for key, value in row.items() if key != 'class'}
                for row in rows}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f'{path}: found no class scores ({error!r}), expected a file written by per_class_out') from error


def class_scores_of(bench: str | Path, confusion: str | Path) -> dict[str, dict[str, float]]:
    """J, F and FDR by class of a model's two files; J and F are NaN where a class is in no frame, predicted or true.

    Raises:
        FileNotFoundError, ValueError: see :func:`read_class_file`; also where a column is missing or the classes differ.
    """
    frames, pixels = read_class_file(bench), read_class_file(confusion)
    for path, found, columns in ((bench, frames, ('frames', 'J', 'F')), (confusion, pixels, ('FDR',))):
        missing = [column for column in columns if any(column not in row for row in found.values())]
        if missing or not found:
            there = sorted({column for row in found.values() for column in row})
            raise ValueError(f'{path}: found columns {there}, expected {list(columns)}')
    if list(frames) != list(pixels):
        other = sorted(set(frames) ^ set(pixels))
        raise ValueError(f'{bench} and {confusion}: found different classes, {other[:5]} in one of them only')
    return {name: dict(J=row['J'] if row['frames'] else NAN, F=row['F'] if row['frames'] else NAN, FDR=pixels[name]['FDR'])
            for name, row in frames.items()}


def class_rows(models: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[dict]:
    """One row per class that has a score with any model, in the set's order, and the mean of the rows above.

    Args:
        models: model name → class → J, F, FDR.

    Returns:
        Rows ``class`` and ``{model} {score}``; NaN where undefined. The mean leaves undefined scores out.

    Raises:
        ValueError: the models have different classes.
    """
    first, *others = models
    for other in others:
        if list(models[other]) != list(models[first]):
            raise ValueError(f'{first} and {other} have different classes, expected the same set')
    columns = [(model, score) for model in models for score in SCORES]
    rows = [{'class': name, **{f'{model} {score}': models[model][name][score] for model, score in columns}}
            for name in models[first]]
    rows = [row for row in rows if any(not math.isnan(value) for key, value in row.items() if key != 'class')]
    return [*rows, {'class': 'mean', **{f'{model} {score}': _mean([row[f'{model} {score}'] for row in rows])
                                       for model, score in columns}}]


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else NAN


def write_class_csv(path: str | Path, rows: Sequence[Mapping]) -> None:
    """Undefined scores are empty cells."""
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, rows[0], lineterminator='\n')
        writer.writeheader()
        writer.writerows([{k: '' if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows])


def class_markdown(rows: Sequence[Mapping]) -> str:
    """A table with the best score of every class and kind in bold where there are several models; lower FDR is better."""
    columns = [key for key in rows[0] if key != 'class']
    lines = ['| class | ' + ' | '.join(columns) + ' |', '| --- |' + ' ---: |' * len(columns)]
    for row in rows:
        best = set()
        for score in SCORES:
            mine = [c for c in columns if c.endswith(f' {score}') and not math.isnan(row[c])]
            values = [row[c] for c in mine]
            if len(set(values)) > 1:
                top = min(values) if score == 'FDR' else max(values)
                best |= {c for c in mine if row[c] == top}
        cells = ['-' if math.isnan(row[c]) else f'**{row[c]:.2f}**' if c in best else f'{row[c]:.2f}' for c in columns]
        lines.append(f'| {row["class"]} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'
