"""Colour changes of a clip."""
import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torchvision.transforms.v2 import functional as change

from mmicf.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipPhotoMetricDistortion(BaseTransform):
    """SSD's colour distortion with one draw for all frames (detectron2's ``ColorAugSSDTransform``, which COMBO uses).

    Brightness, contrast, saturation and hue are each changed with probability 1/2; contrast comes directly after
    brightness or, equally often, last.

    Args:
        brightness: added to all colours, from −brightness to brightness (of 255).
        contrast: range of the factor of all colours.
        saturation: range of the factor of the HSV saturation.
        hue: shift of the hue in OpenCV's steps of 2 degrees (0..179), from −hue to hue.
    """

    def __init__(self, *, brightness: float = 32, contrast: tuple[float, float] = (0.5, 1.5),
                 saturation: tuple[float, float] = (0.5, 1.5), hue: int = 18) -> None:
        self.brightness = brightness
        self.contrast = tuple(contrast)
        self.saturation = tuple(saturation)
        self.hue = hue

    def transform(self, results: dict) -> dict:
        rng, frames = results['rng'], results['frames']
        # All numbers are drawn whether used or not, so that each change is independent of the others' coins.
        use = rng.random(4) < 0.5
        shift = rng.uniform(-self.brightness, self.brightness)
        contrast, saturation = rng.uniform(*self.contrast), rng.uniform(*self.saturation)
        hue = int(rng.integers(-self.hue, self.hue + 1))
        contrast_last = rng.random() < 0.5

        clip = np.concatenate(frames)  # (T·H, W, 3); every step is per pixel
        if use[0]:
            clip = _scaled(clip, 1.0, shift)
        if use[1] and not contrast_last:
            clip = _scaled(clip, contrast, 0.0)
        if use[2] or use[3]:
            clip = _recoloured(clip, saturation if use[2] else None, hue if use[3] else 0)
        if use[1] and contrast_last:
            clip = _scaled(clip, contrast, 0.0)
        results['frames'] = list(clip.reshape(len(frames), *frames[0].shape))
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, '
                f'saturation={self.saturation}, hue={self.hue})')


@TRANSFORMS.register_module()
class ClipColorJitter(BaseTransform):
    """torchvision's ``ColorJitter`` with one draw for all frames (DDESeg's training).

    Brightness, contrast and saturation are multiplied by factors from 1 − x to 1 + x, the hue is turned by at most ``hue`` of the
    circle, in random order. Contrast blends with each frame's own mean.

    Args:
        brightness, contrast, saturation: x, in [0, 1].
        hue: in [0, 0.5].
    """

    def __init__(self, *, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2, hue: float = 0.1) -> None:
        if not all(0 <= x <= 1 for x in (brightness, contrast, saturation)) or not 0 <= hue <= 0.5:
            raise ValueError('brightness, contrast and saturation must lie in [0, 1] and hue in [0, 0.5], got '
                             f'{brightness}, {contrast}, {saturation} and {hue}')
        self.spread = dict(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)

    def transform(self, results: dict) -> dict:
        rng, clip = results['rng'], torch.from_numpy(np.stack(results['frames'])).permute(0, 3, 1, 2)
        draws = {name: rng.uniform(-x, x) for name, x in self.spread.items()}
        for name in rng.permutation(list(draws)):
            clip = getattr(change, f'adjust_{name}')(clip, draws[name] if name == 'hue' else 1 + draws[name])
        results['frames'] = list(clip.permute(0, 2, 3, 1).contiguous().numpy())
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({", ".join(f"{name}={x}" for name, x in self.spread.items())})'


def _scaled(image: np.ndarray, factor: float, shift: float) -> np.ndarray:
    table = np.clip(np.arange(256, dtype=np.float32) * factor + shift, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table)


def _recoloured(image: np.ndarray, saturation: float | None, hue: int) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    if saturation is not None:
        hsv[..., 1] = _scaled(hsv[..., 1], saturation, 0.0)
    hsv[..., 0] = ((np.arange(256) + hue) % 180).astype(np.uint8)[hsv[..., 0]]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
