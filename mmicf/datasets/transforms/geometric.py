"""Resizing, cropping and flipping a clip: one draw for all of its frames, and masks move with them.

Pictures are resized bilinearly with antialiasing and masks to the nearest pixel. PIL does both with the same sampling
points (OpenCV's nearest neighbour is shifted by up to half a pixel); where a picture only grows, antialiasing does
nothing and OpenCV's bilinear gives the same within one grey level, several times faster.
"""
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from mmicf.registry import TRANSFORMS

PAD_IMAGE, PAD_MASK = 128, 255
PICTURES = ('frames', 'maskiges')  # what moves as pictures do


def map_clip(results: dict, on_frame: Callable, on_mask: Callable) -> None:
    """Apply a geometric function to every frame and loaded mask; masks of another size than the frames cannot
    follow."""
    for mask in results.get('masks', ()):
        if mask is not None and mask.shape != tuple(results['img_shape']):
            raise ValueError(f'clip {results["clip_id"]}: a mask of {mask.shape} cannot move with frames of '
                             f'{results["img_shape"]}; load masks before the geometric transforms')
    for key in PICTURES:
        if key in results:
            results[key] = [on_frame(frame) for frame in results[key]]
    if 'masks' in results:
        results['masks'] = [None if mask is None else on_mask(mask) for mask in results['masks']]
    results['img_shape'] = results['frames'][0].shape[:2]


def resize(image: np.ndarray, size: tuple[int, int], *, nearest: bool = False) -> np.ndarray:
    """uint8 (h, w) or (h, w, 3) → (H, W) or (H, W, 3) for ``size`` (H, W)."""
    if image.shape[:2] == tuple(size):
        return image
    if not nearest and size[0] >= image.shape[0] and size[1] >= image.shape[1]:
        return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    return np.array(Image.fromarray(image).resize((size[1], size[0]), method))


def _resize_clip(results: dict, size: tuple[int, int]) -> None:
    map_clip(results, lambda f: resize(f, size), lambda m: resize(m, size, nearest=True))


def _checked_size(size: Sequence[int], name: str = 'size') -> tuple[int, int]:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f'{name} must be (H, W) of positive pixels, got {size}')
    return int(size[0]), int(size[1])


@TRANSFORMS.register_module()
class ClipResize(BaseTransform):
    """Resize to ``size`` (H, W) without keeping the aspect (AVSS evaluation squashes to 224x224), or so that the
    shorter side has ``short_side`` pixels and the longer one int(long · short_side / short) (AVSS training, as
    torchvision rounds)."""

    def __init__(self, *, size: Sequence[int] | None = None, short_side: int | None = None) -> None:
        if (size is None) == (short_side is None):
            raise ValueError(f'give size or short_side, got size={size} and short_side={short_side}')
        self.size = None if size is None else _checked_size(size)
        self.short_side = short_side

    def transform(self, results: dict) -> dict:
        height, width = results['img_shape']
        short = min(height, width)
        _resize_clip(results, self.size or (height * self.short_side // short, width * self.short_side // short))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, short_side={self.short_side})'


@TRANSFORMS.register_module()
class ClipRandomResize(BaseTransform):
    """Resize the shorter side to one of ``ratios`` times ``short_side``, keeping the aspect (COMBO's training on S4 and
    MS3).

    Args:
        short_side: pixels at ratio 1.
        ratios: each is drawn equally often; default 0.5, 0.6, ..., 2.0.
        max_long_side: pixels; a longer side beyond it scales both sides down.
    """

    def __init__(self, *, short_side: int = 224, ratios: Sequence[float] = tuple(r / 10 for r in range(5, 21)),
                 max_long_side: int = 896) -> None:
        if not ratios or min(ratios) <= 0:
            raise ValueError(f'ratios must be positive numbers, got {ratios}')
        self.short_sides = [int(short_side * ratio) for ratio in ratios]
        self.max_long_side = max_long_side

    def transform(self, results: dict) -> dict:
        height, width = results['img_shape']
        scale = self.short_sides[results['rng'].integers(len(self.short_sides))] / min(height, width)
        scale = min(scale, self.max_long_side / max(height, width))
        _resize_clip(results, (max(1, round(height * scale)), max(1, round(width * scale))))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(short_sides={self.short_sides}, max_long_side={self.max_long_side})'


@TRANSFORMS.register_module()
class ClipRandomCrop(BaseTransform):
    """Cut the same random window of ``size`` (H, W) out of every frame.

    A smaller clip is kept whole in that direction and padded at the bottom and right, frames with grey 128 and masks
    with 255 (ignored), as COMBO and detectron2 do.
    """

    def __init__(self, *, size: Sequence[int]) -> None:
        self.size = _checked_size(size)

    def transform(self, results: dict) -> dict:
        (height, width), (crop_h, crop_w) = results['img_shape'], self.size
        top = int(results['rng'].integers(max(height - crop_h, 0) + 1))
        left = int(results['rng'].integers(max(width - crop_w, 0) + 1))
        window = slice(top, top + crop_h), slice(left, left + crop_w)
        map_clip(results, lambda f: self._padded(f[window], PAD_IMAGE), lambda m: self._padded(m[window], PAD_MASK))
        return results

    def _padded(self, image: np.ndarray, value: int) -> np.ndarray:
        if image.shape[:2] == self.size:
            return image
        out = np.full((*self.size, *image.shape[2:]), value, dtype=image.dtype)
        out[:image.shape[0], :image.shape[1]] = image
        return out

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'


@TRANSFORMS.register_module()
class ClipCenterCrop(BaseTransform):
    """Cut the middle ``size`` (H, W) out of every frame; ValueError if the frames are smaller."""

    def __init__(self, *, size: Sequence[int]) -> None:
        self.size = _checked_size(size)

    def transform(self, results: dict) -> dict:
        (height, width), (crop_h, crop_w) = results['img_shape'], self.size
        if height < crop_h or width < crop_w:
            raise ValueError(f'clip {results["clip_id"]}: found frames of {height}x{width}, expected at least '
                             f'{crop_h}x{crop_w} to cut the middle out')
        top, left = (height - crop_h) // 2, (width - crop_w) // 2
        window = slice(top, top + crop_h), slice(left, left + crop_w)
        map_clip(results, lambda f: f[window], lambda m: m[window])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'


@TRANSFORMS.register_module()
class ClipRandomFlip(BaseTransform):
    """Mirror all frames and masks left to right with probability ``prob``, and the sound with them.

    A loaded stereo waveform (2, L) swaps its channels. While no waveform is loaded, each source's ``position`` p
    becomes 1 − p instead, for ``LoadAudio`` to use. A stereo *file* has no position, so put this transform behind
    ``LoadAudio(mono=False)``. Mono sound and log-mel examples (made from the mono mix) do not change. ``flip`` tells
    whether the clip is mirrored with respect to the stored one.
    """

    def __init__(self, *, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must lie in [0, 1], got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        flipped = bool(results.get('flip', False))
        if results['rng'].random() < self.prob:
            flipped = not flipped
            for key in PICTURES:
                if key in results:
                    results[key] = [np.ascontiguousarray(frame[:, ::-1]) for frame in results[key]]
            if 'masks' in results:
                results['masks'] = [None if m is None else np.ascontiguousarray(m[:, ::-1]) for m in results['masks']]
            self._flip_sound(results)
        results['flip'] = flipped
        return results

    @staticmethod
    def _flip_sound(results: dict) -> None:
        if 'waveform' in results:
            if len(results['waveform']) == 2:
                results['waveform'] = results['waveform'][::-1].copy()
        else:
            results['audio'] = [
                source if source.get('position') is None else {**source, 'position': 1 - source['position']}
                for source in results.get('audio', ())]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
