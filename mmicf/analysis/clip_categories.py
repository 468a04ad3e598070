"""Class names of clips, for sets that name none."""
import json
from pathlib import Path

from mmicf.datasets.csv_table import read_table, select_rows
from mmicf.datasets.offscreen import class_names


def ms3_classes(metadata: str | Path) -> dict[str, list[str]]:
    """``{clip_id: [class names]}`` of MS3 from AVSS's ``metadata.csv``: its rows of label v1m are MS3's videos.

    They name what sounds in a video, not what else it shows. Videos in which nothing sounds have an empty list.

    Raises:
        FileNotFoundError: no such file.
        ValueError: columns or rows that AVSS's file has are missing.
    """
    rows = select_rows(read_table(metadata, ('uid', 'a_obj', 'label')), 'label', ('v1m', ))
    return {row['uid']: sorted(class_names(dict(category=row['a_obj']))) for row in rows}


def categories_file(path: str | None, out: str | Path) -> str | None:
    """The json that a dataset's ``categories`` takes: ``path``, or ``out/categories.json`` made from AVSS's metadata.csv.

    Raises:
        FileNotFoundError, ValueError: see :func:`ms3_classes`.
    """
    if path is None or Path(path).suffix != '.csv':
        return path
    return write_categories(ms3_classes(path), out)


def write_categories(named: dict, out: str | Path) -> str:
    """Writes ``out/categories.json``; its path."""
    path = Path(out) / 'categories.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(named), encoding='utf-8')
    return str(path)
