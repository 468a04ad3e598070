"""Random crops that keep most of the labelled objects."""
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmicf.registry import TRANSFORMS

from .geometric import map_clip


@TRANSFORMS.register_module()
class ClipRandomBoxCrop(BaseTransform):
    """Cut one random window out of every frame, if it holds enough of the box around the labelled objects (DDESeg's training).

    The window's area is drawn from ``min_area`` of the box's to that of the frame, its aspect (width by height) from ``aspect``,
    its place anywhere; sides longer than the frame's are cut off. A window that covers less than ``min_area`` of the box is
    dropped, and the clip stays whole, as does one without labelled objects. DDESeg reads a frame's box from a file; here it is
    the box of all masks of the clip (classes above 0, without 255).

    Args:
        aspect: range of width by height.
        min_area: share of the box, in (0, 1].
    """

    def __init__(self, *, aspect: Sequence[float] = (0.75, 1.33), min_area: float = 0.6) -> None:
        if len(aspect) != 2 or not 0 < aspect[0] <= aspect[1] or not 0 < min_area <= 1:
            raise ValueError(f'aspect must be a range above 0 and min_area lie in (0, 1], got {aspect} and {min_area}')
        self.aspect, self.min_area = tuple(aspect), min_area

    def transform(self, results: dict) -> dict:
        if 'masks' not in results:
            raise ValueError(f'clip {results["clip_id"]}: ClipRandomBoxCrop must come after LoadMasks')
        (height, width), rng = results['img_shape'], results['rng']
        marked = np.zeros((height, width), bool)
        for mask in results['masks']:
            if mask is not None and mask.shape == marked.shape:
                marked |= (mask > 0) & (mask < 255)
        if not marked.any():
            return results
        rows, columns = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        needed = self.min_area * (bottom - top) * (right - left)
        aspect, area = rng.uniform(*self.aspect), rng.uniform(needed, height * width)
        crop_w, crop_h = (min(max(1, int(side)), most)
                          for side, most in (((area * aspect)**0.5, width), ((area / aspect)**0.5, height)))
        y, x = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
        covered = max(0, min(bottom, y + crop_h) - max(top, y)) * max(0, min(right, x + crop_w) - max(left, x))
        if covered >= needed:
            window = slice(y, y + crop_h), slice(x, x + crop_w)
            map_clip(results, lambda f: f[window], lambda m: m[window])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(aspect={self.aspect}, min_area={self.min_area})'
