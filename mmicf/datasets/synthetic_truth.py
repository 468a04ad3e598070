"""What is known about synthetic clips, and the scores that sound-blind guesses reach on them."""
import os
from collections.abc import Iterable
from glob import glob
from itertools import product

import numpy as np

from .synthetic import Scene


def save_truth(path: str, scene: Scene) -> None:
    """Writes everything but the frames, compressed, byte for byte the same for the same scene."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    np.savez_compressed(path, **{k: v for k, v in scene._asdict().items() if k != 'frames'})


def load_truth(path: str) -> Scene:
    """Inverse of :func:`save_truth`; ``frames`` is empty."""
    with np.load(path, allow_pickle=False) as file:
        values = {k: file[k] for k in file.files}
    values |= {'prior': float(values['prior']), 'exclusive': bool(values['exclusive'])}
    return Scene(frames=np.zeros(0), **values)


def sounding_mask(scene: Scene) -> np.ndarray:
    """Ground truth, bool (T, H, W): the visible parts of the objects that sound."""
    table = np.concatenate([np.zeros((len(scene.sounding), 1), bool), scene.sounding], 1)  # (T, K + 1)
    return np.stack([row[frame] for row, frame in zip(table, scene.instances, strict=True)])


def chance_levels(truth: str | Iterable[Scene]) -> dict[str, float]:
    """AVSBench J (×100, over frames with non-empty ground truth) of guesses that do not hear.

    ``all_foreground`` marks every pixel. ``best_blind`` knows which pixels belong to which object and how scenes are
    drawn: on each frame it marks the set of objects with the highest expected IoU over the sounding sets that the prior
    allows.

    Args:
        truth: a split's truth folder (``OUT/truth/test``), or scenes.

    Raises:
        FileNotFoundError: the folder holds no truth files.
        ValueError: no frame has a sounding object in view.
    """
    if isinstance(truth, str):
        paths = sorted(glob(os.path.join(truth, '*.npz')))
        if not paths:
            raise FileNotFoundError(f'{truth}: found no truth files (*.npz), expected those of synthetic_avs.py')
        truth = map(load_truth, paths)
    everything, blind = [], []
    for scene in truth:
        count = len(scene.kinds)
        sets = np.array(list(product((False, True), repeat=count)))[1:]  # non-empty sounding sets
        weight = (sets.sum(1) == 1).astype(float) if scene.exclusive else np.prod(
            np.where(sets, scene.prior, 1 - scene.prior), 1)
        for instances, sounding in zip(scene.instances, scene.sounding, strict=True):
            areas = np.bincount(instances.ravel(), minlength=count + 1)[1:count + 1].astype(float)
            shown = sets[(sets * areas).sum(1) > 0]
            if not (sounding * areas).sum():
                continue
            expected = _iou(sets[:, None], shown[None], areas) @ weight[(sets * areas).sum(1) > 0]
            blind.append(_iou(sets[expected.argmax()], sounding, areas))
            everything.append((sounding * areas).sum() / instances.size)
    if not blind:
        raise ValueError('no frame has a sounding object in view; chance levels need at least one')
    return {'all_foreground': 100 * float(np.mean(everything)), 'best_blind': 100 * float(np.mean(blind))}


def _iou(a: np.ndarray, b: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """IoU of unions of disjoint objects, boolean (..., K)."""
    union = ((a | b) * areas).sum(-1)
    return ((a & b) * areas).sum(-1) / np.maximum(union, 1)


def scene_categories(truth: str) -> dict[str, dict[str, list[str]]]:
    """``{clip_id: {"in_view": [names], "sounds": [names]}}`` of a split's truth folder, for ``categories`` of a dataset.

    Raises:
        FileNotFoundError: the folder holds no truth files.
    """
    paths = sorted(glob(os.path.join(truth, '*.npz')))
    if not paths:
        raise FileNotFoundError(f'{truth}: found no truth files (*.npz), expected those of synthetic_avs.py')
    out = {}
    for path in paths:
        scene = load_truth(path)
        sounds = [*scene.kinds[scene.sounding.any(0)], *scene.offscreen_kinds[scene.offscreen.any(0)]]
        out[os.path.basename(path)[:-len('.npz')]] = dict(
            in_view=[f'kind{k}' for k in scene.kinds], sounds=sorted({f'kind{k}' for k in sounds}))
    return out
