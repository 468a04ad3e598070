"""Predictions as PNG files in AVSBench's layout."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.structures import SegDataSample
from PIL import Image

from mmicf.registry import METRICS

from ..clip_frames import frames_of


@METRICS.register_module()
class AVSPredictionWriter(BaseMetric):
    """Writes every frame's prediction at its own size; runs beside the metrics in an evaluator, on any number of ranks.

    Binary sets: ``{out_dir}/{clip_id}/{name}_{1..T}.png`` with 0 and 255, where ``name`` is the last part of
    ``clip_id``; S4 has its category above, ``{out_dir}/{category}/{name}/``, as its ground truth has. Others:
    ``{out_dir}/{clip_id}/{0..T-1}.png``, class ids with the set's palette.

    Args:
        out_dir: folder to write.
        threshold: a binary pixel is written as 255 where ``av_score`` is above it, which is what J scores; without
            ``av_score`` where ``pred_sem_seg`` is not 0.
        collect_device: mmengine's.

    Raises:
        ValueError: a frame has no prediction, or a clip id leads out of ``out_dir``.
    """

    def __init__(self, *, out_dir: str, threshold: float = 0.5, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device, prefix='prediction')
        self.out_dir, self.threshold = Path(out_dir), threshold

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        palette = np.asarray(self.dataset_meta['palette'], np.uint8)
        for sample in data_samples:
            frames = frames_of(sample, 'AVSPredictionWriter')
            folder = self._folder(sample, frames)
            folder.mkdir(parents=True, exist_ok=True)
            for frame in frames:
                if 'pred_sem_seg' not in frame:
                    raise ValueError(f'clip {sample["clip_id"]}, frame {frame.frame_idx}: no pred_sem_seg to write')
                if len(palette) == 2:
                    Image.fromarray(self._sounding(frame)).save(folder / f'{folder.name}_{frame.frame_idx + 1}.png')
                else:
                    image = Image.fromarray(frame.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8))
                    image.putpalette(palette.flatten().tolist())
                    image.save(folder / f'{frame.frame_idx}.png')
            self.results.append(len(frames))

    def _folder(self, sample: dict, frames: Sequence[SegDataSample]) -> Path:
        parts = Path(sample['clip_id']).parts
        if sample['subset'] == 's4':  # visual_frames/{split}/{category}/{name}/{name}_{k}.png
            parts = (Path(frames[0].img_path).parts[-3], parts[-1])
        if '..' in parts or Path(*parts).is_absolute():
            raise ValueError(f'clip id {sample["clip_id"]!r} leads out of {self.out_dir}')
        return self.out_dir.joinpath(*parts)

    def _sounding(self, frame: SegDataSample) -> np.ndarray:
        mask = frame.av_score.data.float() > self.threshold if 'av_score' in frame else frame.pred_sem_seg.data > 0
        return mask.squeeze(0).cpu().numpy().astype(np.uint8) * 255

    def compute_metrics(self, results: list[int]) -> dict:
        print_log(f'{sum(results)} predictions of {len(results)} clips written to {self.out_dir}', 'current')
        return {}
