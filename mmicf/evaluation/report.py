"""Tables in the log and per-class files."""
import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from mmicf.utils.text_table import table


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Logs a table; floats with two digits, an undefined one as a dash."""
    content = table(header, [[_text(x) for x in row] for row in rows])
    print_log(f'{title}\n{content}', 'current')


def _text(value) -> str:
    if not isinstance(value, float):
        return str(value)
    return '-' if math.isnan(value) else f'{value:.2f}'


def check_table_path(path: str | None) -> Path | None:
    """The path of a per-class file.

    Raises:
        ValueError: a suffix other than .csv and .json.
    """
    if path is not None and Path(path).suffix not in ('.csv', '.json'):
        raise ValueError(f'{path}: per-class scores are written as .csv or .json')
    return None if path is None else Path(path)


def write_per_class(path: Path, names: Sequence[str], columns: dict[str, Sequence[float]]) -> None:
    """Writes class scores as csv or json, by the file's suffix; undefined values are empty (csv) or null (json)."""
    rows = [{'class': name, **{k: None if math.isnan(v[i]) else float(v[i]) for k, v in columns.items()}}
            for i, name in enumerate(names)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.json':
        path.write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
        return
    with path.open('w', newline='', encoding='utf-8') as out:
        writer = csv.DictWriter(out, ['class', *columns], lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)
