"""Packing one clip for the model."""
from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.registry import TRANSFORMS
from mmicf.structures import AVDataSample, AVInputs

AUDIO_KEYS = ('log_mel', 'waveform')


@TRANSFORMS.register_module()
class PackAVSInputs(BaseTransform):
    """Turn the results of one clip into ``dict(inputs=AVInputs, data_samples=AVDataSample)`` (docs/en/data_flow.md).

    ``frames`` become uint8 (T, 3, H, W), ``masks`` become ``gt_sem_seg`` (1, H, W) int64 of the frames that have ground
    truth, and a mono ``waveform`` (1, L) becomes (L,). Anchors (``LoadAnchors``) and maskiges
    (``LoadMaskiges``) are handed over where they were loaded.

    Args:
        keys: the kinds of sound to hand over, of ``log_mel`` and ``waveform`` (with its ``sample_rate``).

    Raises:
        ValueError: a key was not loaded, frames, masks or log-mel examples are not T, frames differ in size, or a frame
            has ground truth that was not loaded.
    """

    def __init__(self, *, keys: Sequence[str] = ('log_mel',)) -> None:
        unknown = [key for key in keys if key not in AUDIO_KEYS]
        if unknown:
            raise ValueError(f'keys must be of {list(AUDIO_KEYS)}, got {unknown}')
        self.keys = tuple(keys)

    def transform(self, results: dict) -> dict:
        self._check(results)
        frames = np.ascontiguousarray(np.stack(results['frames']).transpose(0, 3, 1, 2))
        inputs = AVInputs(frames=torch.from_numpy(frames))
        if 'log_mel' in self.keys:
            log_mel = np.ascontiguousarray(results['log_mel'], dtype=np.float32)
            inputs = inputs._replace(log_mel=torch.from_numpy(log_mel))
        if 'maskiges' in results:
            maskiges = np.ascontiguousarray(np.stack(results['maskiges']).transpose(0, 3, 1, 2))
            inputs = inputs._replace(maskiges=torch.from_numpy(maskiges))
        for name in ('image_anchor', 'audio_anchor'):
            if name in results:
                inputs = inputs._replace(**{name: torch.from_numpy(results[name])})
        if 'waveform' in self.keys:
            waveform = torch.from_numpy(np.ascontiguousarray(results['waveform'], dtype=np.float32))
            inputs = inputs._replace(waveform=waveform[0] if len(waveform) == 1 else waveform,
                                     sample_rate=results['sample_rate'])
        return dict(inputs=inputs, data_samples=self._data_sample(results))

    def _check(self, results: dict) -> None:
        clip, total = results['clip_id'], results['num_frames']
        for key in ('frames', *self.keys):
            if key not in results:
                raise ValueError(f'clip {clip}: {key} is missing; a transform must load it before PackAVSInputs')
        for key in ('frames', 'masks', 'has_gt', 'log_mel'):
            if key in results and len(results[key]) != total:
                raise ValueError(f'clip {clip}: found {len(results[key])} {key}, expected {total}, one per frame')
        shapes = {frame.shape for frame in results['frames']}
        if len(shapes) > 1:
            raise ValueError(f'clip {clip}: found frames of {sorted(shapes)}, expected one size')
        masks = results.get('masks', [None] * total)
        missing = [i for i, mask in enumerate(masks) if mask is None and results['has_gt'][i]]
        if missing:
            raise ValueError(f'clip {clip}: frames {missing} have ground truth, but found no mask; put LoadMasks into '
                             'the pipeline')

    @staticmethod
    def _data_sample(results: dict) -> AVDataSample:
        audio = results['audio']
        sample = AVDataSample(metainfo=dict(
            clip_id=results['clip_id'], subset=results['subset'], num_frames=results['num_frames'],
            sample_idx=results['sample_idx'], audio_path=audio[0]['path'] if audio else None))
        frames = []
        for i, has_gt in enumerate(results['has_gt']):
            frame = SegDataSample(metainfo=dict(
                clip_id=results['clip_id'], frame_idx=i, has_gt=bool(has_gt), img_path=results['frame_paths'][i],
                seg_map_path=results['mask_paths'][i], ori_shape=tuple(results['ori_shape']),
                img_shape=tuple(results['img_shape'])))
            if has_gt:
                frame.gt_sem_seg = PixelData(data=torch.from_numpy(results['masks'][i].astype(np.int64))[None])
            frames.append(frame)
        sample.frames = frames
        return sample

    def __repr__(self) -> str:
        return f'{type(self).__name__}(keys={self.keys})'
