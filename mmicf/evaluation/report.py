"""Tables in the log and per-class files."""
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from prettytable import PrettyTable


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Logs a table; floats with two digits."""
    table = PrettyTable(list(header))
    table.add_rows([[f'{x:.2f}' if isinstance(x, float) else x for x in row] for row in rows])
    print_log(f'{title}\n{table}', 'current')


def write_per_class(path: str, names: Sequence[str], columns: dict[str, np.ndarray]) -> None:
    """Writes class scores as csv or json, by the file's suffix; undefined values are empty (csv) or null (json).

    Raises:
        ValueError: another suffix.
    """
    rows = [{'class': name, **{k: None if np.isnan(v[i]) else float(v[i]) for k, v in columns.items()}}
            for i, name in enumerate(names)]
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == '.json':
        file.write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
    elif file.suffix == '.csv':
        with file.open('w', newline='', encoding='utf-8') as out:
            writer = csv.DictWriter(out, ['class', *columns], lineterminator='\n')
            writer.writeheader()
            writer.writerows(rows)
    else:
        raise ValueError(f'{path}: per-class scores are written as .csv or .json')
