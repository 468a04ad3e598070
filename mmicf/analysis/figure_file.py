"""Figures of the analysis tools: without a display, written as PNG and PDF."""
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float, arranged: bool = True) -> Figure:
    """An empty figure of this size in inches.

    Args:
        width, height: of the figure.
        arranged: matplotlib keeps its axes from overlapping, which takes seconds for many axes; else :func:`place` them.
    """
    figure = Figure(figsize=(width, height), layout='constrained' if arranged else None)
    FigureCanvasAgg(figure)
    return figure


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at inches from the figure's upper left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def save_figure(figure: Figure, path: str | Path, dpi: int = 150) -> list[Path]:
    """Writes ``path`` as .png and .pdf, whatever its suffix; the files written. Folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A clip id may hold dots, so the suffix is put behind the name, not in place of what follows the last dot.
    stem = path.name.removesuffix('.png').removesuffix('.pdf')
    files = [path.with_name(stem + suffix) for suffix in ('.png', '.pdf')]
    for file in files:
        figure.savefig(file, dpi=dpi)
    return files
