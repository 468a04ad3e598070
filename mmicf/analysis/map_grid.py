"""Rows of maps over a clip's frames."""
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mmicf.visualization import AVSLocalVisualizer

from .figure_file import new_figure, place

# Inches: width of a frame, left margin, headings, between rows, colour bar with its labels.
CELL, LEFT, TOP, GAP, BAR = 1.5, 1.5, 0.55, 0.06, 0.6
PIXELS, SPACE = 240, 10  # of a frame's width, and white ones between frames
OUTLINE = (0, 255, 64)
OPACITY = 0.7


class MapRow(NamedTuple):
    """One row of a grid.

    Attributes:
        title: at its left.
        maps: (T, h, w) of any size, stretched over the frames.
        outlines: boolean masks (T, H, W) whose outline is drawn.
        scale: rows with the same scale name share their colours.
    """
    title: str
    maps: np.ndarray
    outlines: np.ndarray
    scale: str


def draw_map_grid(title: str, frames: Sequence[np.ndarray], truth: Sequence[np.ndarray | None], rows: Sequence[MapRow],
                  metainfo: dict) -> Figure:
    """Frames with their ground truth, and below them maps as colours over the grey frames, time from left to right.

    Colours run from 0 to the 99.5th percentile of all rows with the same scale.

    Args:
        title: of the figure.
        frames: T RGB pictures uint8 (H, W, 3).
        truth: class ids (h, w) of each frame, or None.
        rows: of maps.
        metainfo: ``classes`` and ``palette`` of the set.
    """
    painter = AVSLocalVisualizer()
    painter.dataset_meta = metainfo
    size = PIXELS, round(PIXELS * frames[0].shape[0] / frames[0].shape[1])
    frames = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
    tops = {scale: float(np.percentile(np.concatenate([row.maps.ravel() for row in rows if row.scale == scale]), 99.5)) or 1.
            for scale in {row.scale for row in rows}}
    strips = [('ground truth', [frame if mask is None else painter.overlay(frame, mask)
                                for frame, mask in zip(frames, truth, strict=True)])]
    strips += [(row.title, [map_over(frame, values, outline, tops[row.scale])
                            for frame, values, outline in zip(frames, row.maps, row.outlines, strict=True)]) for row in rows]
    # A row is one picture: axes for each frame would take seconds to write.
    strips = [(name, np.concatenate([cv2.copyMakeBorder(cell, 0, 0, 0, SPACE, cv2.BORDER_CONSTANT, value=(255, ) * 3)
                                     for cell in cells], 1)[:, :-SPACE]) for name, cells in strips]
    height, width = (CELL / PIXELS * side for side in strips[0][1].shape[:2])
    figure = new_figure(LEFT + width + GAP + BAR, TOP + len(strips) * (height + GAP) + GAP, arranged=False)
    figure.text(LEFT / figure.get_figwidth(), 1 - 0.08 / figure.get_figheight(), title, fontsize=10, va='top')
    for k, (name, strip) in enumerate(strips):
        top = TOP + k * (height + GAP)
        axes = place(figure, LEFT, top, width, height)
        axes.imshow(strip)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_ylabel(name, fontsize=9, rotation=0, ha='right', va='center', labelpad=6)
        if k:
            bar = place(figure, LEFT + width + GAP, top, 0.1, height)
            # One picture; matplotlib's own bar is 256 polygons, which take most of the time of a tall figure.
            bar.imshow(np.linspace(0, 1, 128)[:, None], cmap='inferno', alpha=OPACITY, origin='lower', aspect='auto',
                       extent=(0, 1, 0, tops[rows[k - 1].scale]))
            bar.yaxis.tick_right()
            bar.yaxis.set_label_position('right')
            bar.set_xticks([])
            bar.tick_params(labelsize=7)
            bar.set_ylabel('× mean', fontsize=7)
        else:
            for t in range(len(frames)):
                axes.text(t * (PIXELS + SPACE) + PIXELS / 2, -6, f'frame {t}', fontsize=9, ha='center', va='bottom')
    return figure


def map_over(frame: np.ndarray, values: np.ndarray, outline: np.ndarray, top: float) -> np.ndarray:
    """Colours of a map (h, w) from 0 to ``top`` over the grey frame uint8 (H, W, 3), with the outline of a mask; as the frame."""
    size = frame.shape[1::-1]
    shown = np.clip(cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) / top, 0, 1)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    out = OPACITY * 255 * matplotlib.colormaps['inferno'](shown)[..., :3] + (1 - OPACITY) * grey
    out = np.ascontiguousarray(out.round().astype(np.uint8))
    mask = cv2.resize(outline.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(out, found, -1, OUTLINE, 2)
