"""Pictures of a clip: frames with masks over the spectrogram of its sound."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mmengine.dist import master_only
from mmengine.visualization import LocalVisBackend, MLflowVisBackend, Visualizer

from mmicf.registry import VISUALIZERS
from mmicf.structures import AVDataSample

from .sound_strip import draw_log_mel, draw_waveform, mark_seconds

SOUNDING = (0, 255, 64)  # RGB of a binary mask
IGNORED = (160, 160, 160)  # RGB of pixels whose ground truth is 255
DPI = 110
# Inches: left margin, heading, column headings, strip with its labels, one line of the legend.
LEFT, HEADING, TITLE, STRIP, STRIP_LABELS, LEGEND_LINE, RIGHT = 0.65, 0.32, 0.24, 1.15, 0.3, 0.24, 0.35
MOST_NAMES = 12


@VISUALIZERS.register_module()
class AVSLocalVisualizer(Visualizer):
    """Draws a clip as a grid: ground truth and prediction over each frame, above the spectrogram of its sound.

    The time axis spans the columns: frame t stands above its own second, t to t + 1 s. ``dataset_meta`` (set by the
    loops) must hold ``classes`` and ``palette``.

    Args:
        alpha: opacity of masks.
        name, vis_backends, save_dir: mmengine's.
    """

    def __init__(self, name: str = 'visualizer', vis_backends: list[dict] | None = None, save_dir: str | None = None,
                 alpha: float = 0.4) -> None:
        super().__init__(name, vis_backends=vis_backends, save_dir=save_dir)
        self.alpha = alpha

    def add_clip(self, name: str, frames: Sequence[np.ndarray], data_sample: AVDataSample,
                 waveform: np.ndarray | None = None, sample_rate: int = 16000, out_file: str | None = None,
                 step: int = 0, log_mel: np.ndarray | None = None) -> None:
        """Draws a clip (see :meth:`draw_clip`) and writes it to ``out_file``, or hands it to the backends.

        Raises:
            OSError: the file cannot be written.
        """
        image = self.draw_clip(frames, data_sample, waveform, sample_rate, log_mel)
        if out_file is None:
            self.add_image(name, image, step)
            return
        Path(out_file).parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(out_file), image[..., ::-1]):
            raise OSError(f'{out_file}: could not be written')

    @master_only
    def add_image(self, name: str, image: np.ndarray, step: int = 0) -> None:
        """Hands a picture to the backends, by a name that each can store."""
        for backend in self._vis_backends.values():
            if isinstance(backend, LocalVisBackend):  # makes no folders, and does not say that nothing was written
                backend.add_image(name.replace('/', '_'), image, step)
            elif isinstance(backend, MLflowVisBackend):  # knows no steps, and takes the kind of file from the name
                backend.add_image(f'{name}_{step}.png', image, step)
            else:
                backend.add_image(name, image, step)

    def draw_clip(self, frames: Sequence[np.ndarray], data_sample: AVDataSample, waveform: np.ndarray | None = None,
                  sample_rate: int = 16000, log_mel: np.ndarray | None = None) -> np.ndarray:
        """The picture, uint8 RGB (H, W, 3).

        Args:
            frames: T RGB frames (H, W, 3) of one size; masks are resized to them.
            data_sample: ground truth and prediction rows are drawn where its frames have them.
            waveform: (L,) or (C, L) in [-1, 1], or None.
            sample_rate: of ``waveform``, Hz.
            log_mel: (T, 1, 96, 64), drawn where there is no ``waveform``; without both there is no strip.

        Raises:
            ValueError: frames and data sample differ in number, or ``dataset_meta`` is not set.
        """
        if len(frames) != len(data_sample.frames):
            raise ValueError(f'clip {data_sample.clip_id}: found {len(frames)} pictures, expected {len(data_sample.frames)}')
        if not self.dataset_meta or not {'classes', 'palette'} <= set(self.dataset_meta):
            raise ValueError('dataset_meta of the visualizer needs classes and palette')
        rows = [(title, field) for title, field in (('ground truth', 'gt_sem_seg'), ('prediction', 'pred_sem_seg'))
                if any(field in frame for frame in data_sample.frames)] or [('frames', '')]
        count, has_sound = len(frames), waveform is not None or log_mel is not None
        column = {1: 4.4, 2: 3.0}.get(count, 2.2)  # inches
        cell = 0.96 * column * frames[0].shape[0] / frames[0].shape[1]
        legend = self._legend(data_sample)
        per_line = max(1, int(count * column / 2.4))
        legend_height = LEGEND_LINE * -(-len(legend) // per_line)
        width = LEFT + count * column + RIGHT
        height = HEADING + len(rows) * (cell + 0.06) + TITLE + has_sound * (STRIP + STRIP_LABELS + 0.1) + legend_height
        figure = Figure(figsize=(width, height), dpi=DPI)

        def place(left: float, top: float, w: float, h: float):
            """Axes at inches from the upper left corner."""
            return figure.add_axes((left / width, 1 - (top + h) / height, w / width, h / height))

        top = HEADING + TITLE
        for title, field in rows:
            for t, (frame, sample) in enumerate(zip(frames, data_sample.frames, strict=True)):
                axes = place(LEFT + (t + 0.02) * column, top, 0.96 * column, cell)
                axes.imshow(self._cell(frame, sample, field, round(0.96 * column * DPI)))
                axes.set(xticks=[], yticks=[])
                if field == 'gt_sem_seg' and field not in sample:
                    axes.text(0.5, 0.03, 'no ground truth', transform=axes.transAxes, ha='center', va='bottom', fontsize=9,
                              color='white', bbox=dict(facecolor='black', alpha=0.7, linewidth=0))
                if title == rows[0][0]:
                    axes.set_title(f'frame {t}', fontsize=10, pad=3)
                if t == 0:
                    axes.set_ylabel(title, fontsize=10)
            top += cell + 0.06
        if has_sound:
            axes = place(LEFT, top + 0.04, count * column, STRIP)
            seconds = float(count)
            if waveform is not None:
                draw_waveform(axes, waveform, sample_rate)
                if count == 1:  # one picture stands for the whole sound (VPO)
                    seconds = waveform.shape[-1] / sample_rate
            else:
                draw_log_mel(axes, log_mel)
            mark_seconds(axes, seconds)
        sound = f', {waveform.shape[-1] / sample_rate:.2f} s of sound' if waveform is not None else ''
        figure.text(LEFT / width, 1 - 0.1 / height, f'{data_sample.clip_id}  ({data_sample.subset}{sound})', fontsize=10,
                    va='top')
        if legend:
            figure.legend(handles=legend, loc='lower center', ncols=per_line, fontsize=9, frameon=False, borderaxespad=0.1,
                          labelspacing=0.3, handlelength=1.2)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def overlay(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Colours label map (h, w) over an RGB frame (H, W, 3), each class with an outline of its colour on white.

        Labels are resized to the frame; class 0 stays clear, 255 (ignored) becomes grey.
        """
        labels = cv2.resize(labels.astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        out = frame.copy()
        present = np.bincount(labels.ravel(), minlength=256)  # np.unique would sort every picture of a video
        for index in (np.flatnonzero(present[1:]) + 1).tolist():
            mask = labels == index
            out[mask] = ((1 - self.alpha) * out[mask] + self.alpha * np.array(self._colour(index))).astype(np.uint8)
            if index != 255:
                outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(out, outline, -1, (255, 255, 255), 4)
                cv2.drawContours(out, outline, -1, self._colour(index), 2)
        return out

    def _colour(self, index: int) -> tuple[int, int, int]:
        if index == 255:
            return IGNORED
        return SOUNDING if self._is_binary else tuple(int(x) for x in self.dataset_meta['palette'][index])

    @property
    def _is_binary(self) -> bool:
        return len(self.dataset_meta['classes']) == 2

    def _cell(self, frame: np.ndarray, sample, field: str, width: int) -> np.ndarray:
        """A frame at its size in the picture, with the mask ``field`` if the sample has it."""
        height = max(1, round(width * frame.shape[0] / frame.shape[1]))
        shrinks = width < frame.shape[1]
        image = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return self.overlay(image, sample.get(field).data.squeeze(0).cpu().numpy()) if field in sample else image

    def _legend(self, data_sample: AVDataSample) -> list[Patch]:
        """A patch for each class in view; it says so when only one of the rows has it."""
        found = {field: {int(i) for frame in data_sample.frames if field in frame for i in frame.get(field).data.unique()}
                 for field in ('gt_sem_seg', 'pred_sem_seg')}
        gt, pred = (found[field] - {0} for field in ('gt_sem_seg', 'pred_sem_seg'))
        both = any('gt_sem_seg' in f for f in data_sample.frames) and any('pred_sem_seg' in f for f in data_sample.frames)
        patches = []
        for index in sorted((gt | pred) - ({1} if self._is_binary else set())):
            name = 'ignored' if index == 255 else self.dataset_meta['classes'][index]
            if both and index != 255 and (index in gt) != (index in pred):
                name += f' ({"ground truth" if index in gt else "prediction"} only)'
            patches.append(Patch(facecolor=np.array(self._colour(index)) / 255, edgecolor='black', label=name))
        rest = len(patches) - MOST_NAMES
        return patches if rest <= 0 else [*patches[:MOST_NAMES], Patch(alpha=0, label=f'and {rest} more')]
