"""What is known about synthetic clips, and the scores that sound-blind guesses reach on them."""
import os
from collections.abc import Iterable
from glob import glob
from itertools import product

import numpy as np
from PIL import Image

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
        truth = map(load_truth, _truth_files(truth))
    everything, blind = [], []
    for scene in truth:
        count = len(scene.kinds)
        sets = np.array(list(product((False, True), repeat=count)))[1:]  # non-empty sounding sets
        weight = (sets.sum(1) == 1).astype(float) if scene.exclusive else np.prod(
            np.where(sets, scene.prior, 1 - scene.prior), 1)
        for instances, sounding in zip(scene.instances, scene.sounding, strict=True):
            areas = _areas(instances, count)
            shown = sets[(sets * areas).sum(1) > 0]
            if not (sounding * areas).sum():
                continue
            expected = _iou(sets[:, None], shown[None], areas) @ weight[(sets * areas).sum(1) > 0]
            blind.append(_iou(sets[expected.argmax()], sounding, areas))
            everything.append((sounding * areas).sum() / instances.size)
    if not blind:
        raise ValueError('no frame has a sounding object in view; chance levels need at least one')
    return {'all_foreground': 100 * float(np.mean(everything)), 'best_blind': 100 * float(np.mean(blind))}


def choice_score(masks: str, truth: str) -> float:
    """AVSBench J (×100, over frames with non-empty ground truth) of predictions whose outlines are replaced by the true ones.

    On each frame an object counts as marked, as a whole, where the prediction covers more than half of what is in view
    of it; pixels of no object count for nothing. Compared with :func:`chance_levels`, whose guess has true outlines too,
    this tells what a model loses by which objects it marks; compared with the prediction's own J, what it loses by how it
    draws them.

    Args:
        masks: folder of binary PNG masks as :class:`mmicf.evaluation.AVSPredictionWriter` writes them for MS3's layout.
        truth: the split's truth folder (``OUT/truth/test``).

    Raises:
        FileNotFoundError: a truth file or a mask is missing.
        ValueError: a mask has another size than its frame, or no frame has a sounding object in view.
    """
    scores = []
    for path in _truth_files(truth):
        scene, clip = load_truth(path), os.path.basename(path)[:-len('.npz')]
        for t, (instances, sounding) in enumerate(zip(scene.instances, scene.sounding, strict=True), 1):
            areas = _areas(instances, len(scene.kinds))
            if not (sounding * areas).sum():
                continue
            file = os.path.join(masks, clip, f'{clip}_{t}.png')
            with Image.open(file) as image:
                marked = np.asarray(image) > 0
            if marked.shape != instances.shape:
                raise ValueError(f'{file}: found a mask of shape {marked.shape}, expected {instances.shape}')
            hit = _areas(np.where(marked, instances, 0), len(scene.kinds))
            scores.append(_iou(2 * hit > areas, sounding, areas))
    if not scores:
        raise ValueError(f'{truth}: no frame has a sounding object in view')
    return 100 * float(np.mean(scores))


def _truth_files(folder: str) -> list[str]:
    paths = sorted(glob(os.path.join(folder, '*.npz')))
    if not paths:
        raise FileNotFoundError(f'{folder}: found no truth files (*.npz), expected those of synthetic_avs.py')
    return paths


def _areas(instances: np.ndarray, count: int) -> np.ndarray:
    """Pixels of each of ``count`` objects, whose ids begin at 1, float (count,)."""
    return np.bincount(instances.ravel(), minlength=count + 1)[1:].astype(float)


def _iou(a: np.ndarray, b: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """IoU of unions of disjoint objects, boolean (..., K)."""
    union = ((a | b) * areas).sum(-1)
    return ((a & b) * areas).sum(-1) / np.maximum(union, 1)


def scene_categories(truth: str) -> dict[str, dict[str, list[str]]]:
    """``{clip_id: {"in_view": [names], "sounds": [names]}}`` of a split's truth folder, for ``categories`` of a dataset.

    Raises:
        FileNotFoundError: the folder holds no truth files.
    """
    out = {}
    for path in _truth_files(truth):
        scene = load_truth(path)
        sounds = [*scene.kinds[scene.sounding.any(0)], *scene.offscreen_kinds[scene.offscreen.any(0)]]
        out[os.path.basename(path)[:-len('.npz')]] = dict(
            in_view=[f'kind{k}' for k in scene.kinds], sounds=sorted({f'kind{k}' for k in sounds}))
    return out
