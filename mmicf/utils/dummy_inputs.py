"""Random clips in the form that a model receives from the data loader, for measuring."""
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.structures import AVDataSample, AVInputs

from .type_name import type_name


def dummy_batch(*, clips: int = 1, frames: int = 5, size: tuple[int, int] = (224, 224), num_classes: int = 2,
                keys: tuple[str, ...] = ('log_mel',), sample_rate: int = 16000, seed: int = 0) -> dict:
    """``dict(inputs=AVInputs of tuples, data_samples=list)``, as after ``pseudo_collate``; every frame has ground truth.

    Masks are blocks of random classes, so that matching and mask losses have something to do.

    Args:
        clips: B.
        frames: T of each clip.
        size: (H, W) in pixels.
        num_classes: classes in the masks.
        keys: fields to fill beside the frames, of ``log_mel``, ``waveform`` (one second per frame at ``sample_rate`` Hz) and
            ``maskiges``.
        sample_rate: of the waveforms, Hz.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    inputs, samples = [], []
    for clip in range(clips):
        images = torch.from_numpy(rng.integers(0, 256, (frames, 3, *size), dtype=np.uint8))
        one = AVInputs(images)
        if 'log_mel' in keys:
            one = one._replace(log_mel=torch.from_numpy(rng.normal(-2, 2, (frames, 1, 96, 64)).astype(np.float32)))
        if 'waveform' in keys:
            waveform = rng.uniform(-0.5, 0.5, frames * sample_rate).astype(np.float32)
            one = one._replace(waveform=torch.from_numpy(waveform), sample_rate=sample_rate)
        if 'maskiges' in keys:
            one = one._replace(maskiges=torch.from_numpy(rng.integers(0, 256, (frames, 3, *size), dtype=np.uint8)))
        inputs.append(one)
        samples.append(_sample(f'dummy/{clip}', clip, frames, size, num_classes, rng))
    return dict(inputs=AVInputs(*zip(*inputs, strict=True)), data_samples=samples)


def _sample(clip_id: str, index: int, frames: int, size: tuple[int, int], num_classes: int,
            rng: np.random.Generator) -> AVDataSample:
    sample = AVDataSample(metainfo=dict(clip_id=clip_id, subset='dummy', num_frames=frames, sample_idx=index,
                                        audio_path=None))
    out = []
    for t in range(frames):
        blocks = rng.integers(0, num_classes, (4, 4))
        mask = np.kron(blocks, np.ones((-(-size[0] // 4), -(-size[1] // 4)), dtype=np.int64))[:size[0], :size[1]]
        frame = SegDataSample(metainfo=dict(clip_id=clip_id, frame_idx=t, has_gt=True, img_path='', seg_map_path=None,
                                            ori_shape=tuple(size), img_shape=tuple(size)))
        frame.gt_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
        out.append(frame)
    sample.frames = out
    return sample


def packed_fields(pipeline: list[dict]) -> tuple[tuple[str, ...], int]:
    """(keys, sample_rate in Hz) of :func:`dummy_batch` for what a config's pipeline packs."""
    by_type = {type_name(step): step for step in pipeline}
    keys = tuple(by_type.get('PackAVSInputs', {}).get('keys', ('log_mel',)))
    if 'LoadMaskiges' in by_type:
        keys += ('maskiges',)
    return keys, by_type.get('LoadAudio', {}).get('sample_rate') or 16000
