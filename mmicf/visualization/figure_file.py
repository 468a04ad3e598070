"""Figures of the analysis tools: without a display, written as PNG and PDF."""
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, whose axes do not overlap."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


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
