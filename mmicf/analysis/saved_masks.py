"""Masks saved as PNG, ours or another author's, as the samples that metrics read."""
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.datasets.transforms import LoadMasks
from mmicf.datasets.transforms.geometric import resize
from mmicf.datasets.transforms.loading_frames import load_mask, open_picture
from mmicf.utils.clip_time import FRAME_OFFSET, mask_name


class MaskNames(NamedTuple):
    """One way to name a clip's masks.

    Attributes:
        form: the way, for people; the same for all clips that are named so.
        files: of each frame.
        first: number of the first frame where authors differ in it, 0 or 1; else None.
    """
    form: str
    files: list[Path]
    first: int | None = None

    def missing(self, clip: dict) -> list[int]:
        """Labelled frames without a file."""
        return [i for i in np.flatnonzero(clip['has_gt']).tolist() if not self.files[i].is_file()]


def mask_names(folder: Path, clip: dict) -> list[MaskNames]:
    """Ways in which the masks of a clip may be named, the likeliest first.

    In the layout of :class:`AVSPredictionWriter`, in that of the AVSBench family's ``save_mask`` and ``save_color_mask``, below the
    clip's folder under the names of the ground truth, or in the layout of ``tools/inference.py`` for a video named as the clip.
    Binary ``{name}_{k}.png`` count from 0 where there is a ``{name}_0.png``, else from 1: one folder is never read both ways.
    """
    name, frames = Path(clip['clip_id']).name, range(clip['num_frames'])
    places = [Path(clip['clip_id'])]
    if clip['subset'] == 's4':
        places = [Path(clip['category']) / name, Path(clip['clip_id'])]
    if clip['subset'] in ('v1s', 'v1m', 'v2'):
        places.append(Path(clip['subset']) / clip['clip_id'])
    ways = []
    for own in [folder / place for place in dict.fromkeys(places)]:
        if clip['mask_mode'] == 'binary':
            ways.append(_numbered(own, name, len(frames)))
            continue
        ways += [MaskNames('{k}.png from 0', [own / f'{i}.png' for i in frames]),
                 MaskNames('{name}_{k}.png from 0', [own / f'{name}_{i}.png' for i in frames]),
                 MaskNames("the ground truth's names", [own / Path(truth or f'{i}.png').name
                                                       for i, truth in enumerate(clip['mask_paths'])])]
    return [*ways, MaskNames('{name}/masks/{seconds}.png', [folder / name / 'masks' / mask_name(i + FRAME_OFFSET) for i in frames])]


def _numbered(own: Path, name: str, total: int) -> MaskNames:
    """``{name}_{k}.png`` of a binary set, from 0 or from 1, as the folder has it."""
    files = [own / f'{name}_{k}.png' for k in range(total + 1)]
    if not files[0].is_file():
        return MaskNames('{name}_{k}.png from 1 (there is no {name}_0.png)', files[1:], 1)
    also = f' and a {{name}}_{total}.png, which is not read' if files[-1].is_file() else ''
    return MaskNames('{name}_{k}.png from 0 (there is a {name}_0.png' + also + ')', files[:-1], 0)


def find_masks(folder: Path, clip: dict) -> MaskNames | None:
    """The first way in which all labelled frames of the clip have a mask, or None."""
    return next((way for way in mask_names(folder, clip) if not way.missing(clip)), None)


def check_masks(folder: str | Path, clips: Sequence[dict]) -> str:
    """Every labelled frame of the clips (data infos of a dataset) has a mask below ``folder``; says how they are named.

    Raises:
        FileNotFoundError: no such folder, or masks are missing; names the first ten.
        ValueError: some clips count their frames from 0 and others from 1.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder of predictions')
    found = {clip['clip_id']: find_masks(folder, clip) for clip in clips}
    missing = [line for clip in clips if found[clip['clip_id']] is None for line in _missing(folder, clip)]
    if missing:
        raise FileNotFoundError(f'{len(missing)} masks are missing below {folder}:\n  ' + '\n  '.join(missing[:10]))
    counted = {way.first: way.files[0] for way in found.values() if way.first is not None}
    if len(counted) > 1:
        raise ValueError(f'{folder}: some clips count their frames from 0 ({counted[0]}) and others from 1 ({counted[1]}), '
                         'expected one way in all')
    return ', '.join(f'{form}: {clips} clips' for form, clips in Counter(way.form for way in found.values()).items())


def _missing(folder: Path, clip: dict) -> list[str]:
    """A line for each missing mask of the way that most of the clip's files follow; all ways, where none does."""
    ways = mask_names(folder, clip)
    best = min(ways, key=lambda way: len(way.missing(clip)))
    lost = best.missing(clip)
    if len(lost) < sum(clip['has_gt']):
        return [f'clip {clip["clip_id"]}, frame {i}: no {best.files[i]}; its masks are {best.form}' for i in lost]
    looked = {i: dict.fromkeys(str(way.files[i]) for way in ways) for i in lost}
    return [f'clip {clip["clip_id"]}, frame {i}: none of {", ".join(looked[i])}' for i in lost]


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
    files, frames = find_masks(Path(folder), clip).files, []
    for i in np.flatnonzero(clip['has_gt']).tolist():
        gt, pred = LoadMasks.load(clip['mask_paths'][i], clip), read_mask(files[i], clip)
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
