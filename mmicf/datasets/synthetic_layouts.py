"""Writes synthetic clips in the layouts in which the real sets are downloaded (docs/en/data.md)."""
import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import soundfile

from mmicf.utils.class_names import AVSS_CLASSES, VPO_COCO_IDS, avss_palette

from .synthetic import Scene, clip_streams, draw_scene, draw_states
from .synthetic_sound import SAMPLE_RATE, clip_sound
from .synthetic_truth import save_truth, sounding_mask

SPLITS = ('train', 'val', 'test')
# The class name, in each set's own words, of every synthetic kind.
S4_NAMES = ('dog_barking', 'cat_meowing', 'playing_acoustic_guitar', 'playing_piano', 'helicopter', 'ambulance_siren')
AVSS_NAMES = ('dog', 'cat', 'guitar', 'piano', 'helicopter', 'emergency-car')
VPO_NAMES = ('dog', 'cat', 'car', 'bird', 'cow', 'motorcycle')
AVSS_LABELS = ('v1s', 'v1m', 'v2')
VPO_FOLDERS = ('VPO-SS', 'VPO-MS', 'VPO-MSMI')


class ClipJob(NamedTuple):
    """One clip to write; a clip depends on (seed, subset, split, index, size) alone."""
    out: str
    subset: str
    split: str
    index: int
    seed: int
    size: int


def write_clip(job: ClipJob) -> list[list]:
    """Writes a clip's files and returns its rows of the set's table(s), each led by the table's path."""
    looks, sounds = clip_streams(job.seed, list(WRITERS).index(job.subset), SPLITS.index(job.split), job.index)
    return WRITERS[job.subset](job, looks, sounds)


def write_tables(out: str, subset: str, rows: Sequence[Sequence]) -> None:
    """Writes the csv files of a set (and AVSS's ``label2idx.json``) from the rows of all clips."""
    for path in sorted({row[0] for row in rows}):
        os.makedirs(os.path.dirname(os.path.join(out, path)), exist_ok=True)
        with open(os.path.join(out, path), 'w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(HEADERS[subset])
            writer.writerows(row[1:] for row in rows if row[0] == path)
    if subset == 'avss':
        text = json.dumps({name: index for index, name in enumerate(AVSS_CLASSES)}, indent=1)
        Path(out, 'AVSS', 'label2idx.json').write_text(text + '\n', encoding='utf-8')


HEADERS = {
    's4': ('name', 'start', 'category', 'split'),
    'ms3': ('video_id', 'split'),
    'avss': ('vid', 'uid', 's_min', 's_sec', 'a_obj', 'split', 'label'),
    'vpo': ('img_Id', 'ann_Ids', 'cateName', 'cateId', 'vgg_file', 'split', 'audio_pos', 'multi_instance'),
}


def _s4(job: ClipJob, looks: np.random.Generator, sounds: np.random.Generator) -> list[list]:
    scene = draw_scene(looks, sounds, num_frames=5, height=job.size, width=job.size, exclusive=True)
    name, category = f'syn{job.split}{job.index:05d}', S4_NAMES[scene.kinds[scene.sounding[0].argmax()]]
    root, place = Path(job.out, 'Single-source', 's4_data'), Path(job.split, category, name)
    masks = sounding_mask(scene)
    for t, frame in enumerate(scene.frames):
        _write_image(root / 'visual_frames' / place / f'{name}_{t + 1}.png', frame)
        if t == 0 or job.split != 'train':
            _write_image(root / 'gt_masks' / place / f'{name}_{t + 1}.png', masks[t].astype(np.uint8) * 255)
    _write_sound(root / 'audio_wav' / f'{place}.wav', _sound(scene, 5, sounds))
    save_truth(f'{job.out}/truth/{job.split}/{name}.npz', scene)
    return [['Single-source/s4_meta_data.csv', name, 0, category, job.split]]


def _ms3(job: ClipJob, looks: np.random.Generator, sounds: np.random.Generator) -> list[list]:
    scene = draw_scene(looks, sounds, num_frames=5, height=job.size, width=job.size)
    name, root = f'syn{job.split}{job.index:05d}', Path(job.out, 'Multi-sources', 'ms3_data')
    for t, (frame, mask) in enumerate(zip(scene.frames, sounding_mask(scene), strict=True), 1):
        _write_image(root / 'visual_frames' / name / f'{name}.mp4_{t}.png', frame)
        _write_image(root / 'gt_masks' / job.split / name / f'{name}_{t}.png', mask.astype(np.uint8) * 255)
    _write_sound(root / 'audio_wav' / job.split / f'{name}.wav', _sound(scene, 5, sounds))
    save_truth(f'{job.out}/truth/{job.split}/{name}.npz', scene)
    return [['Multi-sources/ms3_meta_data.csv', name, job.split]]


def _avss(job: ClipJob, looks: np.random.Generator, sounds: np.random.Generator) -> list[list]:
    """v1s, v1m and v2 take turns; frames are 4:3, as the real set keeps the videos' own shapes."""
    label = AVSS_LABELS[job.index % 3]
    seconds = 10 if label == 'v2' else 5
    scene = draw_scene(looks, sounds, num_frames=seconds, height=job.size, width=job.size * 4 // 3,
                       exclusive=label == 'v1s')
    vid = f'syn{job.split[:2]}{job.index:06d}'  # 11 characters, as a YouTube id
    uid = vid if label == 'v1m' else f'{vid}_0_{seconds * 1000}'
    folder = Path(job.out, 'AVSS', label, uid)
    ids = np.array([0, *[AVSS_CLASSES.index(AVSS_NAMES[k]) for k in scene.kinds]], np.uint8)
    for t, frame in enumerate(scene.frames):
        _write_image(folder / 'frames' / f'{t}.jpg', frame)
        if t == 0 or not (label == 'v1s' and job.split == 'train'):
            semantic = ids[scene.instances[t] * np.append(True, scene.sounding[t])[scene.instances[t]]]
            _write_image(folder / 'labels_semantic' / f'{t}.png', semantic)
            _write_image(folder / 'labels_rgb' / f'{t}.png', avss_palette()[semantic])
    _write_sound(folder / 'audio.wav', _sound(scene, seconds, sounds))
    save_truth(f'{job.out}/truth/{job.split}/{uid}.npz', scene)
    heard = [AVSS_NAMES[k] for k, s in zip(scene.kinds, scene.sounding.any(0), strict=True) if s] or ['background']
    return [['AVSS/metadata.csv', vid, uid, 0, 0, '_'.join(heard), job.split, label]]


def _vpo(job: ClipJob, looks: np.random.Generator, sounds: np.random.Generator) -> list[list]:
    """SS, MS and MSMI take turns; in MSMI two of three objects are twins and the louder side tells which one sounds.

    A picture of MS is also listed in the table of MSMI, with ``multi_instance`` 0, as in the download.
    """
    folder = VPO_FOLDERS[job.index % 3]
    twins, single = folder == 'VPO-MSMI', folder == 'VPO-SS'
    scene = draw_scene(looks, sounds, num_frames=1, height=job.size, width=job.size * 4 // 3, twins=twins,
                       exclusive=single or twins)
    while not scene.sounding.any():  # every picture of VPO has a sounding object; drawing anew keeps the prior exact
        scene = scene._replace(sounding=draw_states(sounds, 1, len(scene.kinds)))
    scene = scene._replace(offscreen_kinds=scene.offscreen_kinds[:0], offscreen=scene.offscreen[:, :0])  # VPO has none
    number = SPLITS.index(job.split) * 1000000 + job.index + 1
    instances, rows = scene.instances[0], []
    coco = np.array([0, *[VPO_COCO_IDS[VPO_NAMES[k]] for k in scene.kinds]], np.uint8)
    mask = coco[instances * np.append(True, scene.sounding[0])[instances]]
    root, image = Path(job.out, 'VPO', folder), f'{number:012d}'
    place = VPO_NAMES[scene.kinds[scene.sounding[0].argmax()]] if single else ''
    _write_image(root / 'data' / place / f'{image}.jpg', scene.frames[0])
    for k in np.flatnonzero(scene.sounding[0]):
        name, vgg = VPO_NAMES[scene.kinds[k]], f'syn{job.split}{job.index:05d}_{k}'
        columns = np.flatnonzero((instances == k + 1).any(0))
        position = float(columns.mean() / instances.shape[1]) if len(columns) else 0.5
        if single:
            _write_image(root / 'mask' / name / f'{image}_{number * 10 + k:012d}.png', mask)
        _write_sound(Path(job.out, 'vggsound_bench', 'VGGSound', 'audios', f'{vgg}.wav'),
                     clip_sound(scene.kinds[k:k + 1], np.ones((1, 1), bool), 4, sounds))
        row = [number, number * 10 + int(k), name, VPO_COCO_IDS[name], vgg, job.split, f'{position:.3f}', int(twins)]
        rows += [[f'VPO/{table}/{table.lower().replace("-", "_")}_data_stereo.csv', *row]
                 for table in ((folder, 'VPO-MSMI') if folder == 'VPO-MS' else (folder,))]
    if not single:
        _write_image(root / 'mask' / f'{image}.png', mask)
    save_truth(f'{job.out}/truth/{job.split}/{folder.lower()}_{number}.npz', scene)
    return rows


WRITERS: dict[str, Callable] = {'s4': _s4, 'ms3': _ms3, 'avss': _avss, 'vpo': _vpo}


def _sound(scene: Scene, seconds: float, sounds: np.random.Generator) -> np.ndarray:
    kinds, states = np.append(scene.kinds, scene.offscreen_kinds), np.concatenate([scene.sounding, scene.offscreen], 1)
    return clip_sound(kinds, states, seconds, sounds)


def _write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image[..., ::-1] if image.ndim == 3 else image
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == '.jpg' else []
    if not cv2.imwrite(str(path), image, options):
        raise OSError(f'{path}: could not be written')


def _write_sound(path: Path, wave: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), wave, SAMPLE_RATE, subtype='PCM_16')
