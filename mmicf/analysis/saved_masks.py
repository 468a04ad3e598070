"""Masks saved as PNG, ours or another author's, as the samples that metrics read."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.datasets.transforms import LoadMasks
from mmicf.datasets.transforms.geometric import resize
from mmicf.datasets.transforms.loading_frames import load_mask, open_picture
from mmicf.utils.clip_time import FRAME_OFFSET, mask_name


def mask_places(folder: Path, clip: dict, index: int) -> list[Path]:
    """Where the mask of a clip's frame may lie.

    In the layout of :class:`AVSPredictionWriter`, in that of ``tools/inference.py`` for a video named as the clip, or below the
    clip's folder under the name of the ground truth.
    """
    name, truth = Path(clip['clip_id']).name, clip['mask_paths'][index]
    places = [Path(clip['clip_id'])]
    if clip['subset'] == 's4':
        places = [Path(clip['category']) / name, Path(clip['clip_id'])]
    if clip['subset'] in ('v1s', 'v1m', 'v2'):
        places.append(Path(clip['subset']) / clip['clip_id'])
    names = [f'{name}_{index + 1}.png' if clip['mask_mode'] == 'binary' else f'{index}.png']
    names += [Path(truth).name] if truth else []
    found = [folder / place / file for place in places for file in names]
    return list(dict.fromkeys([*found, folder / name / 'masks' / mask_name(index + FRAME_OFFSET)]))


def find_mask(folder: Path, clip: dict, index: int) -> Path | None:
    """The mask file of a clip's frame, or None."""
    return next((path for path in mask_places(folder, clip, index) if path.is_file()), None)


def check_masks(folder: str | Path, clips: Sequence[dict]) -> None:
    """Every labelled frame of the clips (data infos of a dataset) has a mask below ``folder``.

    Raises:
        FileNotFoundError: no such folder, or masks are missing; names the first ten.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder of predictions')
    missing = [f'clip {clip["clip_id"]}, frame {i}: none of {", ".join(map(str, mask_places(folder, clip, i)))}'
               for clip in clips for i in np.flatnonzero(clip['has_gt']) if find_mask(folder, clip, i) is None]
    if missing:
        raise FileNotFoundError(f'{len(missing)} masks are missing below {folder}:\n  ' + '\n  '.join(missing[:10]))


def read_mask(path: Path, clip: dict) -> np.ndarray:
    """Class ids (H, W) of a saved mask.

    Raises:
        ValueError: it holds what no mask of the set may hold.
    """
    if clip['mask_mode'] == 'binary':
        return load_mask(str(path), 'binary', clip['num_classes'])
    mode = 'palette' if open_picture(str(path)).mode in ('RGB', 'RGBA') else 'index'
    return load_mask(str(path), mode, clip['num_classes'])


def saved_clip(folder: str | Path, clip: dict, index: int, size: tuple[int, int] | None = None) -> dict:
    """The labelled frames of a clip with their saved masks; of hard masks ``av_score`` is 0 or 1.

    Args:
        folder: of the masks.
        clip: data info of a dataset.
        index: of the clip in its dataset.
        size: (H, W) at which masks are compared; None is the ground truth's.

    Raises:
        FileNotFoundError: a mask is missing.
        ValueError: a mask cannot be of this set.
    """
    check_masks(folder, [clip])
    frames = []
    for i in np.flatnonzero(clip['has_gt']).tolist():
        gt, pred = LoadMasks.load(clip['mask_paths'][i], clip), read_mask(find_mask(Path(folder), clip, i), clip)
        shape = tuple(size or gt.shape)
        gt, pred = (resize(x, shape, nearest=True) for x in (gt, pred))
        frame = SegDataSample(metainfo=dict(
            clip_id=clip['clip_id'], frame_idx=i, has_gt=True, img_shape=shape, ori_shape=shape, img_path=clip['frame_paths'][i]))
        frame.gt_sem_seg = PixelData(data=torch.from_numpy(gt.astype(np.int64))[None])
        frame.pred_sem_seg = PixelData(data=torch.from_numpy(pred.astype(np.int64))[None])
        if clip['mask_mode'] == 'binary':
            frame.av_score = PixelData(data=frame.pred_sem_seg.data.float())
        frames.append(frame)
    return dict(sample_idx=index, clip_id=clip['clip_id'], subset=clip['subset'], num_frames=clip['num_frames'], frames=frames)
