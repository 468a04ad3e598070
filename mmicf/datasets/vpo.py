"""VPO: still pictures of COCO with sounds of VGGSound put to their objects (CAVP)."""
import os
import re

import numpy as np

from mmicf.registry import DATASETS
from mmicf.utils.class_names import VPO_CLASSES, VPO_COCO_IDS, avss_palette

from .base import BaseAVDataset
from .csv_table import check_values, read_table, select_rows

FOLDERS = {'ss': 'VPO-SS', 'ms': 'VPO-MS', 'msmi': 'VPO-MSMI'}
IGNORE, UNKNOWN = 255, 254


@DATASETS.register_module()
class VPODataset(BaseAVDataset):
    """VPO as CAVP reads it: every clip is one picture (T = 1) of 22 classes, with one or several sound sources.

    ``data_root`` is ``VPO/`` with ``VPO-{SS,MS,MSMI}/vpo_{ss,ms,msmi}_data_stereo.csv`` (mono runs use the same file).
    SS has one sounding object per row: ``data/{cateName}/{img_Id:012d}.jpg`` and
    ``mask/{cateName}/{img_Id:012d}_{ann_Ids:012d}.png``. MS and MSMI have one row per sounding object and
    ``data/{img_Id:012d}.jpg``, ``mask/{img_Id:012d}.png`` per picture; rows of MSMI with ``multi_instance`` 0 point
    into ``VPO-MS``. Rows of one picture in one of these folders make one clip, whose sounds are summed. Rows of split
    ``val`` belong to ``test``. Masks hold COCO category ids and 255 = ignore; they are looked up in one step, where
    CAVP renames them one after the other and turns a car beside an airplane into an airplane.

    ``clip_id`` is ``{img_Id}_{ann_Ids}_{vgg_file}`` in SS, ``{img_Id}`` otherwise, with ``-ms`` added for a picture
    that MSMI takes from ``VPO-MS``. ``category`` is the objects' names joined by ``_``.

    Args:
        subset: ``'ss'``, ``'ms'`` or ``'msmi'``.
        channels: ``'stereo'`` gives each sound its ``audio_pos`` (0 left, 1 right), ``'mono'`` none.
        audio_root: folder of the ``{vgg_file}.wav``; None is ``{data_root}/../vggsound_bench/VGGSound/audios``.
        kwargs: see :class:`BaseAVDataset`.
    """

    METAINFO = dict(classes=VPO_CLASSES, palette=avss_palette()[:len(VPO_CLASSES)].tolist())
    SPLITS = ('train', 'test')
    LAYOUT = 'the VPO folder with VPO-SS/, VPO-MS/ and VPO-MSMI/'
    FRAMES_OWN_FOLDER = False

    def __init__(self, *, data_root: str, subset: str, channels: str = 'mono', audio_root: str | None = None,
                 ann_file: str | None = None, **kwargs) -> None:
        if subset not in FOLDERS:
            raise ValueError(f'subset must be one of {list(FOLDERS)}, got {subset!r}')
        if channels not in ('mono', 'stereo'):
            raise ValueError(f"channels must be 'mono' or 'stereo', got {channels!r}")
        self.subset = subset
        self.channels = channels
        self.audio_root = audio_root or os.path.join(str(data_root), '..', 'vggsound_bench', 'VGGSound', 'audios')
        ann_file = ann_file or os.path.join(FOLDERS[subset], f'vpo_{subset}_data_stereo.csv')
        super().__init__(data_root=data_root, ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict]:
        columns = ['img_Id', 'ann_Ids', 'cateName', 'cateId', 'vgg_file', 'split']
        columns += ['audio_pos'] * (self.channels == 'stereo') + ['multi_instance'] * (self.subset == 'msmi')
        table = read_table(self.ann_file, columns)
        rows = select_rows(table, 'split', ('test', 'val') if self.split == 'test' else (self.split,))
        check_values(table, 'split', (*self.SPLITS, 'val'))
        clips: dict[str, dict] = {}
        for row in rows:
            self._check_category(row)
            new = self._clip(row)
            clip = clips.setdefault(new['clip_id'], new)
            if clip is not new:
                if self.subset == 'ss':
                    raise ValueError(f'{self.ann_file}: two rows describe {new["clip_id"]}, expected one per object '
                                     'and sound')
                clip['audio'] += new['audio']
                clip['category'] += '_' + new['category']
        return list(clips.values())

    def _clip(self, row: dict[str, str]) -> dict:
        image, name = self._number(row, 'img_Id').zfill(12), row['cateName']
        folder, clip_id, frame, mask = FOLDERS[self.subset], image, f'{image}.jpg', f'{image}.png'
        if self.subset == 'ss':
            annotation = self._number(row, 'ann_Ids').zfill(12)
            clip_id = f'{image}_{annotation}_{row["vgg_file"]}'
            frame, mask = os.path.join(name, frame), os.path.join(name, f'{image}_{annotation}.png')
        elif self.subset == 'msmi' and int(self._number(row, 'multi_instance')) == 0:
            folder, clip_id = FOLDERS['ms'], f'{image}-ms'
        return dict(
            clip_id=clip_id, subset=f'vpo-{self.subset}', split=self.split, category=name, num_frames=1,
            frame_paths=[os.path.join(self.data_root, folder, 'data', frame)],
            mask_paths=[os.path.join(self.data_root, folder, 'mask', mask)],
            has_gt=[True], mask_mode='coco', mask_lut=coco_lut(), num_classes=len(VPO_CLASSES),
            audio=[dict(path=os.path.join(self.audio_root, row['vgg_file'] + '.wav'), position=self._position(row))],
            log_mel_path=None)

    def _position(self, row: dict[str, str]) -> float | None:
        if self.channels == 'mono':
            return None
        try:
            position = float(row['audio_pos'])
        except ValueError:
            position = float('nan')
        if not 0 <= position <= 1:
            raise ValueError(f'{self.ann_file}: found audio_pos {row["audio_pos"]!r} at img_Id {row["img_Id"]}, '
                             'expected a number from 0 (left) to 1 (right)')
        return position

    def _number(self, row: dict[str, str], column: str) -> str:
        if not re.fullmatch('[0-9]{1,12}', row[column]):
            raise ValueError(f'{self.ann_file}: found {column} {row[column]!r} at img_Id {row["img_Id"]}, '
                             'expected an integer of at most 12 digits')
        return row[column]

    def _check_category(self, row: dict[str, str]) -> None:
        expected = VPO_COCO_IDS.get(row['cateName'])
        if expected is None or str(expected) != row['cateId']:
            raise ValueError(f'{self.ann_file}: found cateName {row["cateName"]!r} with cateId {row["cateId"]} at '
                             f'img_Id {row["img_Id"]}, expected one of {VPO_COCO_IDS}')


def coco_lut() -> np.ndarray:
    """uint8 (256,): COCO category id to class id; 0 and 255 stay, an id of no VPO class becomes 254, which no mask may
    hold."""
    lut = np.full(256, UNKNOWN, dtype=np.uint8)
    lut[0], lut[IGNORE] = 0, IGNORE
    for name, coco_id in VPO_COCO_IDS.items():
        lut[coco_id] = VPO_CLASSES.index(name)
    return lut
