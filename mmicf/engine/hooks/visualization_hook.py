"""Draws clips during validation and testing (mmseg's hook draws single images)."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from mmengine.hooks import Hook
from PIL import Image

from mmicf.registry import HOOKS
from mmicf.structures import AVDataSample


@HOOKS.register_module()
class AVSVisualizationHook(Hook):
    """Draws every ``interval``-th clip of a validation or test run.

    Args:
        draw: off by default; ``tools/test.py --show-dir`` switches it on.
        interval: of clips; at least 1.
        show_dir: folder for ``{clip_id}.png``; None hands the pictures to the visualizer's backends.
    """

    def __init__(self, *, draw: bool = False, interval: int = 1, show_dir: str | None = None) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1 clip, got {interval}')
        self.draw, self.interval, self.show_dir = draw, interval, show_dir

    def _draw(self, runner, outputs: Sequence[AVDataSample], mode: str, step: int) -> None:
        if not self.draw:
            return
        for sample in outputs:
            if sample.sample_idx % self.interval:
                continue
            frames = [np.asarray(Image.open(frame.img_path).convert('RGB')) for frame in sample.frames]
            wave, rate = None, 16000
            if sample.get('audio_path'):
                wave, rate = soundfile.read(sample.audio_path, always_2d=True, dtype='float32')
                wave = wave.mean(1)
            out = None if self.show_dir is None else Path(self.show_dir) / f'{sample.clip_id}.png'
            runner.visualizer.add_clip(f'{mode}/{sample.clip_id}', frames, sample, wave, rate, out, step)

    def after_val_iter(self, runner, batch_idx: int, data_batch: dict, outputs: Sequence[AVDataSample]) -> None:
        self._draw(runner, outputs, 'val', runner.iter)

    def after_test_iter(self, runner, batch_idx: int, data_batch: dict, outputs: Sequence[AVDataSample]) -> None:
        self._draw(runner, outputs, 'test', 0)  # runner.iter would build the train loop
