"""Pictures of a clip: frames with masks over the spectrogram of its sound."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.visualization import Visualizer
from scipy.signal import spectrogram

from mmicf.registry import VISUALIZERS
from mmicf.structures import AVDataSample

SOUNDING = (255, 64, 64)  # RGB of a binary mask


@VISUALIZERS.register_module()
class AVSLocalVisualizer(Visualizer):
    """Draws a clip as a grid: ground truth and prediction over each frame, above a spectrogram strip with the frames' seconds.

    Args:
        alpha: opacity of masks.
        name, vis_backends, save_dir: mmengine's.
    """

    def __init__(self, name: str = 'visualizer', vis_backends: list[dict] | None = None, save_dir: str | None = None,
                 alpha: float = 0.5) -> None:
        super().__init__(name, vis_backends=vis_backends, save_dir=save_dir)
        self.alpha = alpha

    def overlay(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Colours label map (h, w) over an RGB frame (H, W, 3); labels are resized to the frame, 0 and 255 stay clear."""
        labels = cv2.resize(labels.astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        palette = np.asarray(self.dataset_meta['palette'], np.uint8)
        out = frame.copy()
        for index in np.setdiff1d(np.unique(labels), (0, 255)):
            colour = np.array(SOUNDING if len(palette) == 2 else palette[index])
            mask = (labels == index).astype(np.uint8)
            out[mask > 0] = ((1 - self.alpha) * out[mask > 0] + self.alpha * colour).astype(np.uint8)
            outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            cv2.drawContours(out, outline, -1, colour.tolist(), max(1, frame.shape[0] // 150))
        return out

    def draw_clip(self, frames: Sequence[np.ndarray], data_sample: AVDataSample, waveform: np.ndarray | None = None,
                  sample_rate: int = 16000) -> np.ndarray:
        """The picture, uint8 RGB.

        Args:
            frames: T RGB frames (H, W, 3).
            data_sample: ground truth and prediction rows are drawn where its frames have them.
            waveform: mono (L,) or None (no strip).
            sample_rate: of ``waveform``, Hz.
        """
        rows = [(title, field) for title, field in (('ground truth', 'gt_sem_seg'), ('prediction', 'pred_sem_seg'))
                if any(field in frame for frame in data_sample.frames)] or [('frames', '')]
        count, ratio = len(frames), frames[0].shape[0] / frames[0].shape[1]
        strip = 0.6 if waveform is not None else 0.
        figure = Figure(figsize=(2.2 * count, 2.2 * ratio * len(rows) + 0.5 + 2.2 * strip), dpi=110, layout='constrained')
        grid = figure.add_gridspec(len(rows) + bool(strip), count, height_ratios=[ratio] * len(rows) + [strip] * bool(strip))
        shown: set[int] = set()
        for r, (title, field) in enumerate(rows):
            for t, (frame, sample) in enumerate(zip(frames, data_sample.frames, strict=True)):
                axes = figure.add_subplot(grid[r, t])
                axes.set(xticks=[], yticks=[])
                image, label = frame, f't = {t} s' if r == 0 else ''
                if field in sample:
                    labels = sample.get(field).data.squeeze(0).cpu().numpy()
                    shown |= set(np.unique(labels).tolist())
                    image = self.overlay(frame, labels)
                elif field == 'gt_sem_seg':
                    label += ' (no label)'
                axes.imshow(image)
                axes.set_title(label, fontsize=9)
                if t == 0:
                    axes.set_ylabel(title, fontsize=9)
        if waveform is not None:
            self._draw_strip(figure.add_subplot(grid[-1, :]), waveform, sample_rate, count)
        classes = self.dataset_meta['classes']
        names = ', '.join(classes[i] for i in sorted(shown - {0, 255})) if len(classes) > 2 else ''
        figure.suptitle(f'{data_sample.clip_id}   {names}', fontsize=10)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    @staticmethod
    def _draw_strip(axes, waveform: np.ndarray, sample_rate: int, num_frames: int) -> None:
        """Log-power spectrogram in dB; dashed lines mark where each frame's second begins."""
        frequency, seconds, power = spectrogram(waveform, sample_rate, nperseg=512, noverlap=256)
        decibel = 10 * np.log10(power + 1e-10)
        axes.pcolormesh(seconds, frequency / 1000, decibel, vmin=max(decibel.max() - 80, decibel.min()), shading='nearest',
                        cmap='magma')
        for t in range(num_frames):
            axes.axvline(t, color='w', linewidth=0.8, linestyle='--')
        axes.set(xlim=(0, max(num_frames, seconds[-1])), ylim=(0, min(8, sample_rate / 2000)))
        axes.set_xlabel('s', fontsize=8)
        axes.set_ylabel('kHz', fontsize=8)
        axes.tick_params(labelsize=8)

    def add_clip(self, name: str, frames: Sequence[np.ndarray], data_sample: AVDataSample, waveform: np.ndarray | None = None,
                 sample_rate: int = 16000, out_file: str | None = None, step: int = 0) -> None:
        """Draws a clip and writes it to ``out_file``, or hands it to the backends."""
        image = self.draw_clip(frames, data_sample, waveform, sample_rate)
        if out_file is None:
            self.add_image(name, image, step)
            return
        Path(out_file).parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(out_file), image[..., ::-1]):
            raise OSError(f'{out_file}: could not be written')
