"""How much the pictures and the sound of a clip change, and scores by quadrant (ICF, Figure 1, left).

The paper names the mean squared error between frames and the change of the Mel spectrogram, without formulas; these are ours.
"""
from collections.abc import Mapping, Sequence

import numpy as np

from .metrics import AVSBenchMetric

# Bit 0: the pictures change more than the threshold; bit 1: the sound does.
QUADRANTS = ('still, steady sound', 'moving, steady sound', 'still, changing sound', 'moving, changing sound')


def picture_change(frames: np.ndarray) -> float:
    """Mean over consecutive frames of the mean squared difference of their pixels, each in [0, 1].

    Args:
        frames: uint8 (T, H, W, 3).

    Raises:
        ValueError: fewer than two frames.
    """
    _check(frames, 'frames')
    return float(np.mean(np.diff(frames.astype(np.float64) / 255, axis=0)**2))


def sound_change(log_mel: np.ndarray) -> float:
    """Mean over consecutive examples of the mean squared difference of their mean log-mel spectra, natural log units squared.

    A spectrum is averaged over its 0.96 s first: what differs from one 10 ms window to the next is mostly noise.

    Args:
        log_mel: (T, 1, 96, 64), one example per frame.

    Raises:
        ValueError: fewer than two examples.
    """
    _check(log_mel, 'log-mel examples')
    return float(np.mean(np.diff(log_mel[:, 0].astype(np.float64).mean(1), axis=0)**2))


def _check(items: Sequence, what: str) -> None:
    if len(items) < 2:
        raise ValueError(f'found {len(items)} {what}, expected at least 2: one alone does not change')


def quadrant_of(pictures: np.ndarray, sounds: np.ndarray, thresholds: tuple[float, float]) -> np.ndarray:
    """Index into :data:`QUADRANTS` of each clip, (n,); a change equal to its threshold counts as still or steady.

    Args:
        pictures, sounds: changes of n clips.
        thresholds: of pictures and of sounds.
    """
    return (np.asarray(pictures) > thresholds[0]) + 2 * (np.asarray(sounds) > thresholds[1])


def quadrant_scores(metric: AVSBenchMetric, quadrants: Mapping[str, int]) -> list[dict]:
    """J and F of a metric's clips by quadrant, and of all.

    Args:
        metric: has processed the clips.
        quadrants: index into :data:`QUADRANTS` by clip id.

    Returns:
        Rows ``quadrant, clips, frames, J, F``; J and F are NaN where no frame counts.
    """
    rows = []
    for index, name in [*enumerate(QUADRANTS), (None, 'all')]:
        results = [r for r in metric.results if index is None or quadrants[r['clip_id']] == index]
        frames = sum(r['frames'] for r in results)
        scores = metric.compute_metrics(results) if frames else dict(J=float('nan'), F=float('nan'))
        rows.append(dict(quadrant=name, clips=len(results), frames=frames, J=scores['J'], F=scores['F']))
    return rows
