"""Reading the csv files that come with the datasets."""
import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple


class CsvTable(NamedTuple):
    """Rows of a csv file as dicts, with the header in file order (some layouts name their first column differently); ``lines`` says
    where in the file each row ends, from 1."""
    path: Path
    header: list[str]
    rows: list[dict[str, str]]
    lines: list[int]


def read_table(path: str | Path, columns: Sequence[str]) -> CsvTable:
    """Read a comma-separated file that must have at least ``columns``.

    Raises:
        FileNotFoundError: no such file; the message lists what lies beside it.
        ValueError: no UTF-8 text, a column is missing or named twice, a line has another number of fields than the header, or there
            are no rows.
    """
    path = Path(path)
    if not path.is_file():
        near = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else None
        found = 'no such folder' if near is None else 'an empty folder' if not near else ', '.join(near[:8])
        raise FileNotFoundError(f'{path}: no such file; found beside it: {found}. Is data_root the right folder?')
    header, lines = _read_lines(path)
    for name in columns:
        if header.count(name) != 1:
            fault = 'is there twice' if name in header else 'is missing'
            raise ValueError(f'{path}: column {name!r} {fault}; found columns {header[:20]}, expected {list(columns)}')
    rows = []
    for number, fields in lines:
        if len(fields) != len(header):
            raise ValueError(f'{path}, line {number}: found {len(fields)} fields, expected {len(header)} ({", ".join(header)})')
        rows.append(dict(zip(header, fields, strict=True)))
    if not rows:
        raise ValueError(f'{path}: found a header and no rows, expected one row per clip')
    return CsvTable(path, header, rows, [number for number, _ in lines])


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the fields of every line that is not empty with the line's number."""
    expected = 'expected comma-separated UTF-8 text'
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [field.strip() for field in fields]) for fields in reader if fields]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f'{path}: cannot be read ({error}); {expected}') from error
    for number, fields in lines:
        if any('\0' in field for field in fields):  # no file name can hold one
            raise ValueError(f'{path}, line {number}: found a NUL character; {expected}')
    return (lines[0][1] if lines else []), lines[1:]


def select_rows(table: CsvTable, column: str, wanted: Sequence[str]) -> list[dict[str, str]]:
    """Rows whose ``column`` is one of ``wanted``; ValueError naming the values found if there are none."""
    rows = [row for row in table.rows if row[column] in wanted]
    if not rows:
        found = sorted({row[column] for row in table.rows})
        raise ValueError(f'{table.path}: no row has {column} in {list(wanted)}; found the values {found[:20]}')
    return rows


def check_values(table: CsvTable, column: str, known: Collection[str]) -> None:
    """ValueError naming file, values and lines if a row's ``column`` is none of ``known``: no selection would hold that row.

    Args:
        table: all rows of the file.
        column: its name.
        known: every value that the set has, also those that are not wanted now.
    """
    lines = [line for line, row in zip(table.lines, table.rows, strict=True) if row[column] not in known]
    if lines:
        found = sorted({row[column] for row in table.rows}.difference(known))
        where = ', '.join(map(str, lines[:10])) + (f' and {len(lines) - 10} more' if len(lines) > 10 else '')
        raise ValueError(f'{table.path}: found {column} {found[:5]}, expected {list(known)}; in line {where}')
