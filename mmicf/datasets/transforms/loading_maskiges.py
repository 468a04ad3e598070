"""Mask proposals as pictures, COMBO's second visual input."""
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmicf.registry import TRANSFORMS

from .loading_frames import read_rgb


@TRANSFORMS.register_module()
class LoadMaskiges(BaseTransform):
    """Read the *maskige* of every frame: class-agnostic masks of a segmentation foundation model (Semantic-SAM), painted in colours
    (`COMBO <https://arxiv.org/abs/2312.06462>`_, Sec. 3.2).

    They mirror the frames' tree: ``data_root/a/b.jpg`` has ``maskige_root/a/b.png``. They are pictures: geometric transforms
    behind this one move them with the frames, colour changes leave them.

    ``frame_paths`` → ``maskiges`` list of T uint8 RGB (H, W, 3), of the frames' size.

    Args:
        data_root: of the frames.
        maskige_root: of the maskiges.
        suffix: of the maskiges' files.

    Raises:
        FileNotFoundError: a maskige is missing.
        ValueError: a frame lies outside of ``data_root``, frames are not loaded yet or were resized, or a maskige has another size
            than its frame or cannot be decoded.
    """

    def __init__(self, *, data_root: str, maskige_root: str, suffix: str = '.png') -> None:
        self.data_root, self.maskige_root, self.suffix = Path(data_root), Path(maskige_root), suffix

    def transform(self, results: dict) -> dict:
        shape = tuple(results.get('img_shape', ()))
        if not shape or shape != tuple(results['ori_shape']):
            raise ValueError(f'clip {results["clip_id"]}: LoadMaskiges must come behind LoadFrames and before geometric transforms')
        results['maskiges'] = [self._load(Path(path), shape) for path in results['frame_paths']]
        return results

    def _load(self, frame: Path, shape: tuple[int, int]) -> np.ndarray:
        if not frame.is_relative_to(self.data_root):
            raise ValueError(f'{frame}: found a frame outside of data_root={self.data_root}')
        path = (self.maskige_root / frame.relative_to(self.data_root)).with_suffix(self.suffix)
        picture = read_rgb(str(path))
        if picture.shape[:2] != shape:
            raise ValueError(f'{path}: found a maskige of {picture.shape[0]}x{picture.shape[1]}, expected {shape[0]}x{shape[1]} '
                             f'like {frame}')
        return picture

    def __repr__(self) -> str:
        return f'{type(self).__name__}(data_root={self.data_root}, maskige_root={self.maskige_root}, suffix={self.suffix!r})'
