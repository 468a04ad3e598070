"""The three AVSBench sets as they are downloaded: S4 (single source), MS3 (multiple sources) and AVSS (semantic)."""
import os
from collections import Counter
from collections.abc import Sequence

from mmicf.registry import DATASETS
from mmicf.utils.class_names import AVSS_CLASSES, avss_palette
from mmicf.utils.json_file import read_json_object

from .base import BaseAVDataset
from .csv_table import check_values, read_table, select_rows

BINARY_METAINFO = dict(classes=('background', 'sounding'), palette=[[0, 0, 0], [255, 255, 255]])
NUM_FRAMES = {'v1s': 5, 'v1m': 5, 'v2': 10}
# Tokens of the official metadata.csv that are no class names; masks, not tokens, are the labels.
CLEAN_TOKENS = {'h orse': 'horse', 'off-the-screen': 'off-the-screen'}


@DATASETS.register_module()
class AVSBenchS4Dataset(BaseAVDataset):
    """AVSBench-object, single source: 5 frames, binary masks; in training only the first frame is labelled.

    ``data_root`` is ``Single-source/``: ``s4_meta_data.csv`` (column 0 is the video name, whatever its header;
    ``category`` and ``split`` by name) beside
    ``s4_data/{visual_frames,gt_masks,audio_wav,audio_log_mel}/{split}/{category}/``. ``clip_id`` is the video name, or
    ``category/name`` for a name that the split lists in two categories. Where only one of the two audio folders exists,
    the other kind of file is not expected. Arguments: see :class:`BaseAVDataset`.
    """

    METAINFO = BINARY_METAINFO
    ANN_FILE = 's4_meta_data.csv'
    LAYOUT = 'the Single-source folder with s4_meta_data.csv and s4_data/'

    def load_data_list(self) -> list[dict]:
        table = read_table(self.ann_file, ('category', 'split'))
        rows = select_rows(table, 'split', (self.split,))
        check_values(table, 'split', self.SPLITS)
        root, first = os.path.join(self.data_root, 's4_data'), table.header[0]
        times = Counter(name for name, _ in {(row[first], row['category']) for row in rows})
        clips = []
        for row in rows:
            name, category = row[first], row['category']
            place = os.path.join(self.split, category, name)
            clips.append(_binary_clip(
                root, place, clip_id=name if times[name] == 1 else f'{category}/{name}', category=category, subset='s4',
                split=self.split, num_labelled=1 if self.split == 'train' else 5,
                frames=[os.path.join(place, f'{name}_{k}.png') for k in range(1, 6)],
                masks=[os.path.join(place, f'{name}_{k}.png') for k in range(1, 6)]))
        return clips


@DATASETS.register_module()
class AVSBenchMS3Dataset(BaseAVDataset):
    """AVSBench-object, multiple sources: 5 frames, all labelled with binary masks in every split.

    ``data_root`` is ``Multi-sources/``: ``ms3_meta_data.csv`` (column 0 is the video id, whatever its header; ``split``
    by name) beside ``ms3_data/visual_frames/{id}/{id}.mp4_{1..5}.png`` (no split level),
    ``gt_masks/{split}/{id}/{id}_{1..5}.png``, ``audio_wav/{split}/{id}.wav`` and ``audio_log_mel/{split}/{id}.pkl``.
    Where only one of the two audio folders exists, the other kind of file is not expected. Arguments: see
    :class:`BaseAVDataset`.
    """

    METAINFO = BINARY_METAINFO
    ANN_FILE = 'ms3_meta_data.csv'
    LAYOUT = 'the Multi-sources folder with ms3_meta_data.csv and ms3_data/'

    def load_data_list(self) -> list[dict]:
        table = read_table(self.ann_file, ('split',))
        root = os.path.join(self.data_root, 'ms3_data')
        names = [row[table.header[0]] for row in select_rows(table, 'split', (self.split,))]
        check_values(table, 'split', self.SPLITS)
        return [_binary_clip(
            root, os.path.join(self.split, name), clip_id=name, category=None, subset='ms3', split=self.split,
            num_labelled=5,
            frames=[os.path.join(name, f'{name}.mp4_{k}.png') for k in range(1, 6)],
            masks=[os.path.join(self.split, name, f'{name}_{k}.png') for k in range(1, 6)]) for name in names]


def _binary_clip(root: str, place: str, *, clip_id: str, category: str | None, subset: str, split: str,
                 num_labelled: int, frames: Sequence[str], masks: Sequence[str]) -> dict:
    """Data info of an S4 or MS3 clip; ``place`` is the clip's path, without suffix, in the folders of both kinds of
    audio file."""
    wav = os.path.join(root, 'audio_wav', place + '.wav')
    log_mel = os.path.join(root, 'audio_log_mel', place + '.pkl')
    has_log_mel = os.path.isdir(os.path.join(root, 'audio_log_mel'))
    has_wav = os.path.isdir(os.path.join(root, 'audio_wav')) or not has_log_mel
    has_gt = [i < num_labelled for i in range(len(frames))]
    return dict(
        clip_id=clip_id, subset=subset, split=split, category=category, num_frames=len(frames),
        frame_paths=[os.path.join(root, 'visual_frames', f) for f in frames],
        mask_paths=[os.path.join(root, 'gt_masks', m) if gt else None for m, gt in zip(masks, has_gt, strict=True)],
        has_gt=has_gt, mask_mode='binary', mask_lut=None, num_classes=len(BINARY_METAINFO['classes']),
        audio=[dict(path=wav, position=None)] if has_wav else [], log_mel_path=log_mel if has_log_mel else None)


@DATASETS.register_module()
class AVSBenchSemanticDataset(BaseAVDataset):
    """AVSBench-semantic (AVSS): 71 classes with background 0; 5 frames (v1s, v1m) or 10 (v2) at their own resolution.

    ``data_root`` is ``AVSS/``: ``metadata.csv`` (``vid,uid,s_min,s_sec,a_obj,split,label``) beside
    ``{v1s|v1m|v2}/{uid}/{frames/{i}.jpg,labels_semantic/{i}.png,labels_rgb/{i}.png,audio.wav}``, i from 0. In training
    a v1s clip has its first frame labelled only; all others are fully labelled. Clips are not padded to 10 frames:
    models get real frames only. A ``label2idx.json`` in ``data_root`` must number the classes as :data:`AVSS_CLASSES`
    does.

    ``a_obj`` (class names joined by ``_``) becomes ``category`` and is not used as a label. The official file holds
    three tokens that are no object classes: ``background``, ``off-the-screen`` (both kept) and ``h orse`` (read as
    ``horse``).

    Args:
        subsets: which of ``v1s``, ``v1m``, ``v2`` to use.
        labels: ``'semantic'`` reads class ids from ``labels_semantic``, ``'rgb'`` palette colours from ``labels_rgb``.
        kwargs: see :class:`BaseAVDataset`.
    """

    METAINFO = dict(classes=AVSS_CLASSES, palette=avss_palette().tolist())
    ANN_FILE = 'metadata.csv'
    LAYOUT = 'the AVSS folder with metadata.csv, v1s/, v1m/ and v2/'

    def __init__(self, *, subsets: Sequence[str] = ('v1s', 'v1m', 'v2'), labels: str = 'semantic', **kwargs) -> None:
        unknown = [s for s in subsets if s not in NUM_FRAMES]
        if unknown or not subsets:
            raise ValueError(f'subsets must name some of {list(NUM_FRAMES)}, got {list(subsets)}')
        if labels not in ('semantic', 'rgb'):
            raise ValueError(f"labels must be 'semantic' or 'rgb', got {labels!r}")
        self.subsets = tuple(subsets)
        self.labels = labels
        super().__init__(**kwargs)

    def full_init(self) -> None:
        if not self._fully_initialized:
            check_label_file(os.path.join(self.data_root, 'label2idx.json'))
        super().full_init()

    def load_data_list(self) -> list[dict]:
        table = read_table(self.ann_file, ('uid', 'a_obj', 'split', 'label'))
        check_values(table, 'label', NUM_FRAMES)
        check_values(table, 'split', self.SPLITS)
        table = table._replace(rows=select_rows(table, 'label', self.subsets))
        return [self._clip(row) for row in select_rows(table, 'split', (self.split,))]

    def _clip(self, row: dict[str, str]) -> dict:
        subset, total = row['label'], NUM_FRAMES[row['label']]
        folder = os.path.join(self.data_root, subset, row['uid'])
        has_gt = [i == 0 or not (subset == 'v1s' and self.split == 'train') for i in range(total)]
        return dict(
            clip_id=row['uid'], subset=subset, split=self.split, category=self._category(row), num_frames=total,
            frame_paths=[os.path.join(folder, 'frames', f'{i}.jpg') for i in range(total)],
            mask_paths=[os.path.join(folder, f'labels_{self.labels}', f'{i}.png') if gt else None
                        for i, gt in enumerate(has_gt)],
            has_gt=has_gt, mask_mode='index' if self.labels == 'semantic' else 'palette', mask_lut=None,
            num_classes=len(AVSS_CLASSES), audio=[dict(path=os.path.join(folder, 'audio.wav'), position=None)],
            log_mel_path=None)

    def _category(self, row: dict[str, str]) -> str:
        tokens = [CLEAN_TOKENS.get(token, token) for token in row['a_obj'].split('_')]
        unknown = [token for token in tokens if token not in AVSS_CLASSES and token not in CLEAN_TOKENS]
        if unknown:
            raise ValueError(f'{self.ann_file}: a_obj of {row["uid"]} names {unknown}, '
                             'expected class names joined by "_"')
        return '_'.join(tokens)


def check_label_file(path: str) -> None:
    """ValueError if the file exists and does not map the 71 class names to 0..70 in the order of :data:`AVSS_CLASSES`.

    The masks of the release are numbered from 0, so a file numbered from 1 (DDESeg ships one) is refused as well.
    """
    if not os.path.isfile(path):
        return
    form = f'{len(AVSS_CLASSES)} class names with their indices'
    found = read_json_object(path, expected=form)
    try:
        found = {name: int(index) for name, index in found.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f'{path}: found an index that is no integer ({error}), expected {form}') from error
    expected = {name: index for index, name in enumerate(AVSS_CLASSES)}
    if found == expected:
        return
    if found == {name: index + 1 for name, index in expected.items()}:
        raise ValueError(f'{path}: found classes numbered from 1 (background = 1), expected from 0 (background = 0) as '
                         'in the masks of the official release; replace the file or subtract 1')
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    moved = [f'{name} = {found[name]} instead of {index}' for name, index in expected.items()
             if found.get(name, index) != index]
    raise ValueError(f'{path}: does not match the {len(expected)} classes of AVSS: missing {missing[:5]}, '
                     f'not expected {extra[:5]}, other index: {moved[:5]}')
