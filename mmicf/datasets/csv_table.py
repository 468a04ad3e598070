"""Reading the csv files that come with the datasets."""
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class CsvTable(NamedTuple):
    """Rows of a csv file as dicts, with the header in file order (some layouts name their first column differently)."""
    path: Path
    header: list[str]
    rows: list[dict[str, str]]


def read_table(path: str | Path, columns: Sequence[str]) -> CsvTable:
    """Read a comma-separated file that must have at least ``columns``.

    Raises:
        FileNotFoundError: no such file; the message lists what lies beside it.
        ValueError: a column is missing, a line has another number of fields than the header, or there are no rows.
    """
    path = Path(path)
    if not path.is_file():
        near = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else None
        found = 'no such folder' if near is None else 'an empty folder' if not near else ', '.join(near[:8])
        raise FileNotFoundError(f'{path}: no such file; found beside it: {found}. Is data_root the right folder?')
    with open(path, newline='', encoding='utf-8-sig') as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise ValueError(f'{path}: column {", ".join(map(repr, missing))} is missing; found columns {header}, '
                             f'expected {list(columns)}')
        rows = []
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise ValueError(f'{path}, line {reader.line_num}: found {len(fields)} fields, expected {len(header)} '
                                 f'({", ".join(header)})')
            rows.append({name: field.strip() for name, field in zip(header, fields, strict=True)})
    if not rows:
        raise ValueError(f'{path}: found a header and no rows, expected one row per clip')
    return CsvTable(path, header, rows)


def select_rows(table: CsvTable, column: str, wanted: Sequence[str]) -> list[dict[str, str]]:
    """Rows whose ``column`` is one of ``wanted``; ValueError naming the values found if there are none."""
    rows = [row for row in table.rows if row[column] in wanted]
    if not rows:
        found = sorted({row[column] for row in table.rows})
        raise ValueError(f'{table.path}: no row has {column} in {list(wanted)}; found the values {found[:20]}')
    return rows
