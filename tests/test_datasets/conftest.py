"""Tiny hand-made trees in the layouts of the downloads, written file by file rather than by the generator."""
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

SIZE = (12, 16)  # (H, W)


def write_csv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])


def write_picture(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(path, **({'quality': 95} if path.suffix == '.jpg' else {}))


def write_wav(path, seconds, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, int(16000 * seconds)), 16000)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3))


def mask(value, columns):
    out = np.zeros(SIZE, dtype=np.uint8)
    out[:, :columns] = value
    return out


@pytest.fixture
def s4_root(tmp_path) -> Path:
    """Two clips for training, two for validation and one for testing; the header of column 0 is unusual."""
    root = tmp_path / 'Single-source'
    clips = [('aa0', 'dog_barking', 'train'), ('aa1', 'race_car', 'train'), ('bb0', 'dog_barking', 'val'),
             ('bb1', 'race_car', 'val'), ('cc0', 'race_car', 'test')]
    write_csv(root / 's4_meta_data.csv', ['clip', 'start second', 'category', 'split'],
              [(name, 3, category, split) for name, category, split in clips])
    for seed, (name, category, split) in enumerate(clips):
        place = Path(split, category, name)
        for k in range(1, 6):
            write_picture(root / 's4_data/visual_frames' / place / f'{name}_{k}.png', picture(10 * seed + k))
            if k == 1 or split != 'train':
                write_picture(root / 's4_data/gt_masks' / place / f'{name}_{k}.png', mask(255, 2 * k))
        write_wav(root / 's4_data/audio_wav' / f'{place}.wav', 5, seed)
    return root


@pytest.fixture
def ms3_root(tmp_path) -> Path:
    root = tmp_path / 'Multi-sources'
    clips = [('x_0', 'train'), ('x_1', 'train'), ('y', 'train'), ('z_0', 'val'), ('w', 'test')]
    write_csv(root / 'ms3_meta_data.csv', ['video_id', 'split'], clips)
    for seed, (name, split) in enumerate(clips):
        for k in range(1, 6):
            write_picture(root / f'ms3_data/visual_frames/{name}/{name}.mp4_{k}.png', picture(10 * seed + k))
            write_picture(root / f'ms3_data/gt_masks/{split}/{name}/{name}_{k}.png', mask(255, 2 * k))
        write_wav(root / f'ms3_data/audio_wav/{split}/{name}.wav', 5, seed)
    return root


@pytest.fixture
def avss_root(tmp_path) -> Path:
    """Per split a v1s, a v1m and two v2 clips, with the three dirty tokens of the real metadata.csv."""
    from mmicf.utils.class_names import AVSS_CLASSES, avss_palette
    root, rows = tmp_path / 'AVSS', []
    palette = avss_palette()
    for seed, split in enumerate(('train', 'val', 'test')):
        for uid, label, objects in ((f's{split}_0_5000', 'v1s', 'h orse'), (f'm{split}_1', 'v1m', 'background_dog'),
                                    (f'p{split}_0_10000', 'v2', 'emergency-car_man'),
                                    (f'q{split}_0_10000', 'v2', 'off-the-screen')):
            rows.append((uid[:4], uid, 0, 0, objects, split, label))
            total = 10 if label == 'v2' else 5
            for i in range(total):
                write_picture(root / label / uid / f'frames/{i}.jpg', picture(seed))
                if i == 0 or label != 'v1s' or split != 'train':
                    index = mask(AVSS_CLASSES.index('dog'), i + 1)
                    write_picture(root / label / uid / f'labels_semantic/{i}.png', index)
                    write_picture(root / label / uid / f'labels_rgb/{i}.png', palette[index])
            write_wav(root / label / uid / 'audio.wav', total, seed)
    write_csv(root / 'metadata.csv', ['vid', 'uid', 's_min', 's_sec', 'a_obj', 'split', 'label'], rows)
    (root / 'label2idx.json').write_text(json.dumps({name: i for i, name in enumerate(AVSS_CLASSES)}))
    return root


@pytest.fixture
def vpo_root(tmp_path) -> Path:
    root = tmp_path / 'VPO'
    header = ['img_Id', 'ann_Ids', 'cateName', 'cateId', 'vgg_file', 'split', 'audio_pos', 'multi_instance']
    tables = {
        'ss': [(7, 70, 'dog', 18, 'v0', 'train', 0.25, 0), (8, 80, 'car', 3, 'v1', 'val', 0.5, 0)],
        'ms': [(9, 90, 'car', 3, 'v1', 'train', 0.1, 0), (10, 91, 'dog', 18, 'v0', 'train', 0.8, 0),
               (9, 92, 'airplane', 5, 'v2', 'train', 0.9, 0), (11, 93, 'male', 92, 'v0', 'test', 0.3, 0)],
        'msmi': [(9, 90, 'car', 3, 'v1', 'train', 0.1, 0), (12, 94, 'dog', 18, 'v0', 'train', 0.7, 1),
                 (12, 95, 'dog', 18, 'v2', 'train', 0.2, 1)]}
    for name, rows in tables.items():
        folder = root / f'VPO-{name.upper()}'
        write_csv(folder / f'vpo_{name}_data_stereo.csv', header, rows)
        for image, annotation, category, _, _, _, _, multi in rows:
            if name == 'msmi' and not multi:
                continue  # lies in VPO-MS
            sub = f'{category}/' if name == 'ss' else ''
            suffix = f'_{annotation:012d}' if name == 'ss' else ''
            write_picture(folder / f'data/{sub}{image:012d}.jpg', picture(image))
            coco = mask(18, 4)
            coco[:, 5:8], coco[:, 8:10], coco[:, 10] = 3, 5, 255
            write_picture(folder / f'mask/{sub}{image:012d}{suffix}.png', coco)
    for seed, name in enumerate(('v0', 'v1', 'v2')):
        write_wav(tmp_path / f'vggsound_bench/VGGSound/audios/{name}.wav', 3, seed)
    return root
