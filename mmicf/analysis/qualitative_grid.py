"""Frames, ground truth and several models' masks side by side, with the sound (ICF, Figure 4)."""
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmicf.evaluation.functional import binary_iou
from mmicf.visualization import AVSLocalVisualizer
from mmicf.visualization.sound_strip import draw_log_mel, draw_waveform

from .figure_file import new_figure, place

PIXELS = 320  # width at which frames are drawn
# Inches: width of a frame, between columns, between rows with and without a score below, left margin, headings, a legend's line.
CELL, GAP, BELOW, LEFT, TOP, LINE = 1.9, 0.08, {True: 0.36, False: 0.28}, 0.7, 0.55, 0.25


class Sound(NamedTuple):
    """A clip's sound: a ``waveform`` (C, L) with its ``sample_rate`` in Hz, or ``log_mel`` (T, 1, 96, 64)."""
    waveform: np.ndarray | None = None
    sample_rate: int = 16000
    log_mel: np.ndarray | None = None


class GridRow(NamedTuple):
    """One frame.

    Attributes:
        title: at the row's left.
        frame: uint8 RGB (H, W, 3).
        truth: class ids (h, w), or None.
        masks: class ids (h, w) of each model, or None where a model has none.
        sound: of the clip.
        span: seconds of the sound to show.
        second: seconds to mark in it, or None.
    """
    title: str
    frame: np.ndarray
    truth: np.ndarray | None
    masks: Sequence[np.ndarray | None]
    sound: Sound
    span: tuple[float, float]
    second: tuple[float, float] | None = None


def draw_grid(title: str, models: Sequence[str], rows: Sequence[GridRow], metainfo: dict) -> Figure:
    """A row per frame; columns: sound, frame, ground truth, and each model's masks.

    Below a binary mask stands its IoU with the ground truth, or the share of marked pixels where nothing should be marked.

    Args:
        title: of the figure.
        models: names, in the order of the rows' masks.
        rows: at least one.
        metainfo: ``classes`` and ``palette`` of the set.
    """
    painter = AVSLocalVisualizer()
    painter.dataset_meta = metainfo
    binary = len(metainfo['classes']) == 2
    columns = ['sound', 'frame', 'ground truth', *models]
    heights = [CELL * row.frame.shape[0] / row.frame.shape[1] for row in rows]
    legend = [] if binary else _legend(rows, metainfo)
    per_line = max(1, int(len(columns) * CELL / 2))
    figure = new_figure(LEFT + len(columns) * (CELL + GAP), TOP + sum(heights) + len(rows) * BELOW[binary]
                        + LINE * -(-len(legend) // per_line), arranged=False)
    figure.text(LEFT / figure.get_figwidth(), 1 - 0.08 / figure.get_figheight(), title, fontsize=10, va='top')
    top, grid = TOP, []
    for height in heights:
        grid.append([place(figure, LEFT + k * (CELL + GAP), top, CELL, height) for k in range(len(columns))])
        top += height + BELOW[binary]
    for name, axes in zip(columns, grid[0], strict=True):
        axes.set_title(name, fontsize=9, pad=3)
    for row, line in zip(rows, grid, strict=True):
        _draw_sound(line[0], row)
        # One width for all, so that outlines are equally thick.
        size = PIXELS, round(PIXELS * row.frame.shape[0] / row.frame.shape[1])
        frame = cv2.resize(row.frame, size, interpolation=cv2.INTER_AREA)
        line[1].imshow(frame)
        for axes, mask in zip(line[2:], [row.truth, *row.masks], strict=True):
            axes.imshow(frame if mask is None else painter.overlay(frame, mask))
            if mask is None:
                axes.text(0.5, 0.5, 'none', transform=axes.transAxes, ha='center', color='white',
                          bbox=dict(facecolor='black', alpha=0.7, linewidth=0))
        if binary and row.truth is not None:
            for axes, mask in zip(line[3:], row.masks, strict=True):
                if mask is not None:
                    axes.set_xlabel(_score(mask, row.truth), fontsize=8, labelpad=2)
        for axes in line[1:]:
            axes.set(xticks=[], yticks=[])
    if legend:
        figure.legend(handles=legend, loc='lower center', ncols=per_line, fontsize=8, frameon=False, borderaxespad=0.1)
    return figure


def _score(mask: np.ndarray, truth: np.ndarray) -> str:
    mask, truth = cv2.resize(mask.astype(np.uint8), truth.shape[::-1], interpolation=cv2.INTER_NEAREST) == 1, truth == 1
    return f'IoU {100 * binary_iou(mask, truth):.1f} %' if truth.any() else f'{100 * mask.mean():.1f} % marked'


def _draw_sound(axes: Axes, row: GridRow) -> None:
    if row.sound.waveform is not None:
        draw_waveform(axes, row.sound.waveform, row.sound.sample_rate)
    else:
        draw_log_mel(axes, row.sound.log_mel)
    axes.set_xlim(*row.span)
    axes.set_xticks(np.arange(int(row.span[0]), int(row.span[1]) + 1, 1 if row.span[1] - row.span[0] <= 5 else 2))
    axes.xaxis.set_major_formatter('{x:g} s')
    axes.set_facecolor('black')
    axes.tick_params(labelsize=7)
    axes.set_ylabel(f'{row.title}\n{axes.get_ylabel()}', fontsize=8)
    for second in row.second or ():
        axes.axvline(second, color='white', linewidth=1.2, linestyle='--')


def _legend(rows: Sequence[GridRow], metainfo: dict) -> list[Patch]:
    masks = [mask for row in rows for mask in (row.truth, *row.masks) if mask is not None]
    found = sorted({int(i) for mask in masks for i in np.unique(mask)} - {0, 255})
    return [Patch(facecolor=np.array(metainfo['palette'][i]) / 255, edgecolor='black', label=metainfo['classes'][i]) for i in found]
