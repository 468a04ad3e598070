"""Reading predictions and ground truth out of a clip's data sample."""
from collections.abc import Iterator

import numpy as np


def scored_frames(sample: dict, field: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Prediction ``field`` and ground truth, (H, W) each, of the frames of a clip that have ground truth.

    Raises:
        ValueError: the prediction is missing or of another size than the ground truth; names the clip and frame.
    """
    for frame in sample['frames']:
        if not frame.has_gt:
            continue
        where = f'clip {sample["clip_id"]}, frame {frame.frame_idx}'
        for name in (field, 'gt_sem_seg'):
            if name not in frame:
                raise ValueError(f'{where}: no {name}; found {sorted(frame.keys())}')
        pred, gt = (frame.get(name).data.squeeze(0).cpu().numpy() for name in (field, 'gt_sem_seg'))
        if pred.shape != gt.shape:
            raise ValueError(f'{where}: prediction is {pred.shape}, ground truth {gt.shape}; for scores at the original size load '
                             "the masks after the resize and set test_cfg=dict(size='ori')")
        yield pred, gt
