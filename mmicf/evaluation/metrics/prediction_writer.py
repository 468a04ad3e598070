"""Predictions as PNG files in AVSBench's layout."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from PIL import Image

from mmicf.registry import METRICS


@METRICS.register_module()
class AVSPredictionWriter(BaseMetric):
    """Writes every frame's prediction; runs beside the metrics in an evaluator.

    Binary sets: ``{out_dir}/{clip_id}/{clip_id}_{1..T}.png`` with 0 and 255. Others: ``{out_dir}/{clip_id}/{0..T-1}.png``, class
    indices with the set's palette.

    Args:
        out_dir: folder to write.
        collect_device: mmengine's.
    """

    def __init__(self, *, out_dir: str, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device)
        self.out_dir = Path(out_dir)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        palette = np.asarray(self.dataset_meta['palette'], np.uint8)
        for sample in data_samples:
            folder = self.out_dir / sample['clip_id']
            folder.mkdir(parents=True, exist_ok=True)
            for frame in sample['frames']:
                labels = frame.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.uint8)
                if len(palette) == 2:
                    stem = f'{Path(sample["clip_id"]).name}_{frame.frame_idx + 1}.png'
                    Image.fromarray(labels * 255).save(folder / stem)
                else:
                    image = Image.fromarray(labels, mode='P')
                    image.putpalette(palette.flatten().tolist())
                    image.save(folder / f'{frame.frame_idx}.png')
            self.results.append(len(sample['frames']))

    def compute_metrics(self, results: list[int]) -> dict:
        print_log(f'{sum(results)} predictions of {len(results)} clips written to {self.out_dir}', 'current')
        return {}
