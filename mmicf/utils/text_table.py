"""Tables of plain text."""
from collections.abc import Sequence

from prettytable import PrettyTable


def table(header: Sequence[str], rows: Sequence[Sequence], align: str = 'r') -> str:
    """Numbers, right-aligned (or texts, with ``align='l'``), behind a left-aligned first column."""
    out = PrettyTable(list(header))
    out.align = align
    out.align[header[0]] = 'l'
    out.add_rows([list(row) for row in rows])
    return out.get_string()
