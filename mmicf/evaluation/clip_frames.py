"""Reading predictions and ground truth out of a clip's data sample, and putting clips back into order."""
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np


def frames_of(sample: dict, reader: str) -> list:
    """The frames of a clip as metrics receive it.

    Raises:
        ValueError: the sample is no clip; names ``reader``, the metric that got it.
    """
    if 'frames' not in sample:
        raise ValueError(f'{reader} reads clips (AVDataSample), got a sample with {sorted(sample)}; a '
                         'FrameEvaluator takes it under clip_metrics')
    return sample['frames']


def scored_frames(sample: dict, field: str, reader: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, prediction ``field`` and ground truth, (H, W) each, of the frames of a clip that have ground truth.

    Raises:
        ValueError: the prediction is missing or of another size than the ground truth; names the clip and frame.
    """
    for frame in frames_of(sample, reader):
        if not frame.has_gt:
            continue
        where = f'clip {sample["clip_id"]}, frame {frame.frame_idx}'
        for name in (field, 'gt_sem_seg'):
            if name not in frame:
                hint = '; heads write it for two classes only' if name == 'av_score' else ''
                raise ValueError(f'{where}: no {name}; found {sorted(frame.keys())}{hint}')
        pred, gt = (frame.get(name).data.squeeze(0).cpu() for name in (field, 'gt_sem_seg'))
        if pred.shape != gt.shape:
            raise ValueError(f'{where}: prediction is {tuple(pred.shape)}, ground truth {tuple(gt.shape)}; for scores '
                             "at the original size load the masks after the resize and set test_cfg=dict(size='ori')")
        yield where, (pred.float() if pred.is_floating_point() else pred).numpy(), gt.numpy()


def in_dataset_order(results: Sequence[dict]) -> list[dict]:
    """Results (with ``index`` and ``clip_id``) sorted as the data set lists the clips, however the ranks shared them.

    Raises:
        ValueError: a clip was evaluated twice.
    """
    def key(result: dict) -> tuple[int, str]:  # data sets that are concatenated count their clips each from 0
        return result['index'], result['clip_id']

    results = sorted(results, key=key)
    for one, other in pairwise(results):
        if key(one) == key(other):
            raise ValueError(f'clip {one["clip_id"]} was evaluated twice; use a sampler that repeats none '
                             '(round_up=False)')
    return results
