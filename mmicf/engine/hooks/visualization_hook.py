"""Draws clips during validation and testing (mmseg's hook draws single images)."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from PIL import Image

from mmicf.registry import HOOKS
from mmicf.structures import AVDataSample
from mmicf.utils.audio_file import read_audio


@HOOKS.register_module()
class AVSVisualizationHook(Hook):
    """Draws every ``interval``-th clip of the data set in validation and testing: with ``show_dir`` the same clips on any number of
    ranks, without it those of rank 0.

    Pictures show the stored frames. The strip shows the clip's (first) audio file; where the data set has log-mel files
    only, the log-mel that the model received.

    Args:
        draw: off by default; ``tools/test.py --show-dir`` switches it on.
        interval: of clips; at least 1.
        show_dir: folder for ``{clip_id}.png``, in validation ``val_{iteration}/{clip_id}.png``; None hands the pictures
            to the visualizer's backends.
    """

    def __init__(self, *, draw: bool = False, interval: int = 1, show_dir: str | None = None) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1 clip, got {interval}')
        self.draw, self.interval, self.show_dir = draw, interval, show_dir

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict, outputs: Sequence[AVDataSample]) -> None:
        if self.draw:
            self._draw(runner, data_batch, outputs, 'val', runner.iter)

    def after_test_iter(self, runner, batch_idx: int, data_batch: dict, outputs: Sequence[AVDataSample]) -> None:
        if self.draw:
            self._draw(runner, data_batch, outputs, 'test', 0)  # runner.iter would build the train loop

    def _draw(self, runner, data_batch: dict, outputs: Sequence[AVDataSample], mode: str, step: int) -> None:
        for i, sample in enumerate(outputs):
            if sample.sample_idx % self.interval:
                continue
            sound = {}
            if sample.get('audio_path'):
                sound['waveform'], sound['sample_rate'] = read_audio(sample.audio_path)
            elif data_batch['inputs'].log_mel is not None and data_batch['inputs'].log_mel[i] is not None:
                sound['log_mel'] = np.asarray(data_batch['inputs'].log_mel[i].cpu())
            out = None
            if self.show_dir is not None:
                folder = Path(self.show_dir, f'val_{step}') if mode == 'val' else Path(self.show_dir)
                out = str(folder / f'{sample.clip_id}.png')
            runner.visualizer.add_clip(f'{mode}/{sample.clip_id}', [_read_frame(f.img_path) for f in sample.frames], sample,
                                       out_file=out, step=step, **sound)


def _read_frame(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB'))
