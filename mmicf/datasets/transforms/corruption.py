"""Corruptions for ablations and robustness tests: noisy or missing sound, and pictures of another clip."""
import math

import numpy as np
from mmcv.transforms import BaseTransform

from mmicf.registry import TRANSFORMS

from ..offscreen import other_clip
from .geometric import resize
from .loading_frames import read_rgb


def _waveform(results: dict, transform: str) -> np.ndarray:
    """The loaded waveform (C, L), if a change to it can still reach the log-mel examples."""
    if 'waveform' not in results:
        raise ValueError(f'clip {results["clip_id"]}: {transform} needs a waveform; put LoadAudio before it '
                         '(stored log-mel files cannot be changed)')
    if 'log_mel' in results:
        raise ValueError(f'clip {results["clip_id"]}: {transform} must come before the log-mel examples are made or '
                         'loaded')
    return results['waveform']


@TRANSFORMS.register_module()
class AudioNoise(BaseTransform):
    """Add white Gaussian noise at a signal-to-noise ratio against the clip's own RMS (ICF's ablation of r^a).

    The noise is scaled by its measured RMS, so the ratio is met exactly, over all channels and samples together;
    channels get independent noise. The sum is not clipped to [-1, 1], which would change the ratio. A silent clip has
    no such ratio and stays silent.

    Args:
        snr_db: 20·log10(RMS of the signal / RMS of the noise), in dB.
        prob: share of clips that get noise.
    """

    def __init__(self, *, snr_db: float, prob: float = 1.0) -> None:
        if not math.isfinite(snr_db) or not 0 <= prob <= 1:
            raise ValueError(f'snr_db must be finite and prob lie in [0, 1], got {snr_db} and {prob}')
        self.snr_db = snr_db
        self.prob = prob

    def transform(self, results: dict) -> dict:
        waveform = _waveform(results, 'AudioNoise')
        if results['rng'].random() >= self.prob:
            return results
        noise = results['rng'].standard_normal(waveform.shape)
        rms_ratio = math.sqrt(np.mean(np.square(waveform, dtype=np.float64)) / np.mean(np.square(noise)))
        results['waveform'] = (waveform + noise * rms_ratio * 10 ** (-self.snr_db / 20)).astype(np.float32)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(snr_db={self.snr_db}, prob={self.prob})'


@TRANSFORMS.register_module()
class SilenceAudio(BaseTransform):
    """Replace the waveform by zeros, ahead of the log-mel front end: silence is ln 0.01 there, not 0."""

    def transform(self, results: dict) -> dict:
        results['waveform'] = np.zeros_like(_waveform(results, 'SilenceAudio'))
        return results


@TRANSFORMS.register_module()
class NoiseAudio(BaseTransform):
    """Replace the waveform by white Gaussian noise of its own RMS (a silent clip gets −40 dB of full scale)."""

    def transform(self, results: dict) -> dict:
        waveform = _waveform(results, 'NoiseAudio')
        rms = math.sqrt(np.mean(np.square(waveform, dtype=np.float64))) or 0.01
        noise = results['rng'].standard_normal(waveform.shape)
        results['waveform'] = (noise * rms / math.sqrt(np.mean(np.square(noise)))).astype(np.float32)
        return results


@TRANSFORMS.register_module()
class NegativeAudio(BaseTransform):
    """Training on sound that belongs to nothing in view (AVSBench-Robust): the masks of such a clip are empty.

    A share ``prob`` of the clips becomes negative: half of them silent, half with the sound of another clip, which is drawn
    again, up to 20 times, while it shares a class name with the clip. Put it behind ``LoadMasks`` and ``LoadAudio``.

    MS3 names no classes, so the other clip may sound like what is in view there.

    Args:
        prob: share of negative clips; AVSBench-Robust takes 0.1.
        load_audio: config of the ``LoadAudio`` that reads the other clip's sound, the pipeline's own.
    """

    def __init__(self, *, prob: float = 0.1, load_audio: dict | None = None) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must lie in [0, 1], got {prob}')
        self.prob = prob
        self.load_audio = TRANSFORMS.build(load_audio or dict(type='LoadAudio'))

    def transform(self, results: dict) -> dict:
        waveform, rng = _waveform(results, 'NegativeAudio'), results['rng']
        if 'masks' not in results and any(results['has_gt']):
            raise ValueError(f'clip {results["clip_id"]}: NegativeAudio must come after LoadMasks')
        draw = rng.random()
        if draw >= self.prob:
            return results
        if draw < self.prob / 2:
            results['waveform'] = np.zeros_like(waveform)
        else:
            donor = other_clip(results)
            other = self.load_audio.transform(dict(audio=donor['audio'], clip_id=donor['clip_id']))
            results['waveform'], results['sample_rate'] = other['waveform'], other['sample_rate']
        results['masks'] = [None if mask is None else np.zeros_like(mask) for mask in results.get('masks', [])]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


@TRANSFORMS.register_module()
class FrameMixing(BaseTransform):
    """Replace frames of some clips by the same-numbered frames of another clip (ICF's ablation of r^v).

    The supplement (item 5) says only: "we select 1/4 of the M3 data and randomly swap it with other video frames". Our
    reading: a quarter of the clips is chosen, in each a random share of the frames shows another video, the sound
    stays. A donor frame of another size is resized. Put it behind ``LoadFrames`` and ``LoadMasks``; ``frame_paths``
    then names the donor's file, from which ``LoadMaskiges`` behind it finds the donor's maskige.

    What is right on a replaced frame is our choice as well. Its own mask would outline an object that is not in the
    picture, so no prediction could be right. What sounds is out of view, hence by the definition of the task the mask
    is empty (``ground_truth='empty'``: J is then the share of pixels left unmarked, F skips the frame). For sets
    without class names (MS3) the donor may show an object of the sounding class; ``'ignore'`` leaves these frames out
    of loss and metrics and measures what the broken context does to the others. Donors that share a class name with the
    clip are drawn again, up to 20 times.

    Args:
        ratio: share of clips that are mixed.
        frame_ratio: share of frames replaced in a mixed clip, rounded, at least one.
        ground_truth: ``'empty'`` or ``'ignore'``.
    """

    def __init__(self, *, ratio: float = 0.25, frame_ratio: float = 0.5, ground_truth: str = 'empty') -> None:
        if not 0 <= ratio <= 1 or not 0 < frame_ratio <= 1:
            raise ValueError(f'ratio must lie in [0, 1] and frame_ratio in (0, 1], got {ratio} and {frame_ratio}')
        if ground_truth not in ('empty', 'ignore'):
            raise ValueError(f"ground_truth must be 'empty' or 'ignore', got {ground_truth!r}")
        self.ratio = ratio
        self.frame_ratio = frame_ratio
        self.ground_truth = ground_truth

    def transform(self, results: dict) -> dict:
        rng, total = results['rng'], results['num_frames']
        if 'frames' not in results or ('masks' not in results and any(results['has_gt'])):
            raise ValueError(f'clip {results["clip_id"]}: FrameMixing must come after LoadFrames and LoadMasks')
        if 'maskiges' in results:
            raise ValueError(f'clip {results["clip_id"]}: FrameMixing must come before LoadMaskiges, which reads the new ones')
        if rng.random() >= self.ratio:
            return results
        donor = other_clip(results)
        for i in sorted(rng.choice(total, size=max(1, round(self.frame_ratio * total)), replace=False).tolist()):
            results['frames'][i] = resize(read_rgb(donor['frame_paths'][i]), results['img_shape'])
            results['frame_paths'][i] = donor['frame_paths'][i]
            if not results['has_gt'][i]:
                continue
            if self.ground_truth == 'empty':
                results['masks'][i] = np.zeros_like(results['masks'][i])
            else:
                results['masks'][i], results['has_gt'][i] = None, False
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(ratio={self.ratio}, frame_ratio={self.frame_ratio}, '
                f'ground_truth={self.ground_truth!r})')
