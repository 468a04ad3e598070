"""Layouts, supervision flags and bad input of S4, MS3 and AVSS."""
import json
import re

import numpy as np
import pytest

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset
from mmicf.datasets.clip_files import DatasetError
from mmicf.utils.class_names import AVSS_CLASSES

VISUAL = [dict(type='LoadFrames'), dict(type='LoadMasks')]


def infos(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def edit(path, old, new):
    text = path.read_text(encoding='utf-8')
    assert old in text
    path.write_text(text.replace(old, new), encoding='utf-8')


def test_s4_paths_and_supervision(s4_root):
    train = infos(AVSBenchS4Dataset(data_root=str(s4_root), split='train'))
    assert [(c['clip_id'], c['category'], c['subset'], c['split'], c['num_frames']) for c in train] == [
        ('aa0', 'dog_barking', 's4', 'train', 5), ('aa1', 'race_car', 's4', 'train', 5)]
    clip, data = train[1], f'{s4_root}/s4_data'
    assert clip['frame_paths'] == [f'{data}/visual_frames/train/race_car/aa1/aa1_{k}.png' for k in (1, 2, 3, 4, 5)]
    assert clip['mask_paths'] == [f'{data}/gt_masks/train/race_car/aa1/aa1_1.png', None, None, None, None]
    assert clip['has_gt'] == [True, False, False, False, False]
    assert clip['audio'] == [dict(path=f'{data}/audio_wav/train/race_car/aa1.wav', position=None)]
    assert (clip['log_mel_path'], clip['mask_mode'], clip['num_classes']) == (None, 'binary', 2)
    for split, count in (('val', 2), ('test', 1)):
        clips = infos(AVSBenchS4Dataset(data_root=str(s4_root), split=split))
        assert len(clips) == count and all(c['has_gt'] == [True] * 5 and None not in c['mask_paths'] for c in clips)


def test_s4_loads(s4_root):
    train = AVSBenchS4Dataset(data_root=str(s4_root), split='train', pipeline=VISUAL)[0]
    assert [m is None for m in train['masks']] == [False, True, True, True, True]
    assert len(train['frames']) == 5 and train['ori_shape'] == train['img_shape'] == (12, 16)
    val = AVSBenchS4Dataset(data_root=str(s4_root), split='val', pipeline=VISUAL)[1]
    assert [int(m.sum()) for m in val['masks']] == [24 * k for k in (1, 2, 3, 4, 5)]


def test_s4_one_name_in_two_categories_gives_two_ids(s4_root):
    edit(s4_root / 's4_meta_data.csv', 'aa1,', 'aa0,')
    dataset = AVSBenchS4Dataset(data_root=str(s4_root), split='train', verify=False)
    assert [c['clip_id'] for c in infos(dataset)] == ['dog_barking/aa0', 'race_car/aa0']
    edit(s4_root / 's4_meta_data.csv', 'race_car,train', 'dog_barking,train')
    with pytest.raises(ValueError, match='clip aa0 is listed 2 times'):
        AVSBenchS4Dataset(data_root=str(s4_root), split='train', verify=False)


def test_audio_files_are_expected_where_their_folder_exists(s4_root):
    data = s4_root / 's4_data'
    pickles = [data / f'audio_log_mel/train/{name}.pkl' for name in ('dog_barking/aa0', 'race_car/aa1')]
    for path in pickles:
        path.parent.mkdir(parents=True)
        path.write_bytes(b'')
    both = infos(AVSBenchS4Dataset(data_root=str(s4_root), split='train'))[0]
    assert both['log_mel_path'] == str(pickles[0])
    assert both['audio'][0]['path'].endswith('audio_wav/train/dog_barking/aa0.wav')
    pickles[1].unlink()
    with pytest.raises(DatasetError, match=r'clip aa1: .*aa1.pkl: found an empty folder, expected log-mel file'):
        AVSBenchS4Dataset(data_root=str(s4_root), split='train')
    pickles[1].write_bytes(b'')
    (data / 'audio_wav').rename(data / 'elsewhere')
    only_log_mel = infos(AVSBenchS4Dataset(data_root=str(s4_root), split='train'))[0]
    assert only_log_mel['audio'] == [] and only_log_mel['log_mel_path'] == str(pickles[0])
    (data / 'audio_log_mel').rename(data / 'gone')
    with pytest.raises(DatasetError, match=r'audio_wav/train/dog_barking: found no such folder'):
        AVSBenchS4Dataset(data_root=str(s4_root), split='train')


@pytest.mark.parametrize('old, new, message', [
    ('category,split', 'kind,split', r"column 'category' is missing; found columns \['clip', 'start second', 'kind'"),
    ('aa1,3,race_car,train', 'aa1,3,train', r'line 3: found 3 fields, expected 4'),
    (',train', ',training', r"no row has split in \['train'\]; found the values \['test', 'training', 'val'\]")])
def test_csv_faults_are_named(s4_root, old, new, message):
    edit(s4_root / 's4_meta_data.csv', old, new)
    with pytest.raises(ValueError, match=r's4_meta_data.csv.*' + message):
        AVSBenchS4Dataset(data_root=str(s4_root), split='train')


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
@pytest.mark.parametrize('name', ['tran', 'Train', ''])
def test_rows_of_no_split_are_refused(s4_root, ms3_root, avss_root, split, name):
    """By every split, also where the row is of a subset that is not wanted; else its clip would be in no split."""
    edit(s4_root / 's4_meta_data.csv', 'aa1,3,race_car,train', f'aa1,3,race_car,{name}')
    edit(ms3_root / 'ms3_meta_data.csv', 'x_0,train', f'x_0,{name}')
    edit(ms3_root / 'ms3_meta_data.csv', 'y,train', '\ny,training')
    edit(avss_root / 'metadata.csv', 'train,v1s', f'{name},v1s')
    for root, kind, options, found, line in (
            (s4_root, AVSBenchS4Dataset, {}, [name], '3'), (ms3_root, AVSBenchMS3Dataset, {}, sorted([name, 'training']), '2, 5'),
            (avss_root, AVSBenchSemanticDataset, dict(subsets=['v2']), [name], '2')):
        message = f"{root}/{kind.ANN_FILE}: found split {found}, expected ['train', 'val', 'test']; in line {line}"
        with pytest.raises(ValueError, match=re.escape(message) + '$'):
            kind(data_root=str(root), split=split, **options)


def test_csv_with_a_header_only_and_with_a_byte_order_mark(s4_root):
    path = s4_root / 's4_meta_data.csv'
    path.write_text('\ufeff' + path.read_text(), encoding='utf-8')
    assert len(AVSBenchS4Dataset(data_root=str(s4_root), split='train')) == 2
    path.write_text('clip,start,category,split\n')
    with pytest.raises(ValueError, match='found a header and no rows'):
        AVSBenchS4Dataset(data_root=str(s4_root), split='train')


def test_ms3_paths(ms3_root):
    clip = infos(AVSBenchMS3Dataset(data_root=str(ms3_root), split='train'))[1]
    data = f'{ms3_root}/ms3_data'
    assert (clip['clip_id'], clip['subset'], clip['category']) == ('x_1', 'ms3', None)
    assert clip['frame_paths'] == [f'{data}/visual_frames/x_1/x_1.mp4_{k}.png' for k in (1, 2, 3, 4, 5)]
    assert clip['mask_paths'] == [f'{data}/gt_masks/train/x_1/x_1_{k}.png' for k in (1, 2, 3, 4, 5)]
    assert clip['has_gt'] == [True] * 5
    assert clip['audio'] == [dict(path=f'{data}/audio_wav/train/x_1.wav', position=None)]


def test_avss_lengths_flags_and_categories(avss_root):
    for split in ('train', 'val', 'test'):
        clips = infos(AVSBenchSemanticDataset(data_root=str(avss_root), split=split))
        assert [(c['subset'], c['num_frames'], c['category'], sum(c['has_gt'])) for c in clips] == [
            ('v1s', 5, 'horse', 1 if split == 'train' else 5), ('v1m', 5, 'background_dog', 5),
            ('v2', 10, 'emergency-car_man', 10), ('v2', 10, 'off-the-screen', 10)]
    clip = infos(AVSBenchSemanticDataset(data_root=str(avss_root), split='train'))[0]
    folder = f'{avss_root}/v1s/strain_0_5000'
    assert clip['has_gt'][0] and clip['mask_paths'] == [f'{folder}/labels_semantic/0.png', None, None, None, None]
    assert clip['frame_paths'][4] == f'{folder}/frames/4.jpg' and clip['audio'][0]['path'] == f'{folder}/audio.wav'


def test_avss_subsets_and_labels(avss_root):
    root = str(avss_root)
    some = infos(AVSBenchSemanticDataset(data_root=root, split='val', subsets=['v2', 'v1m']))
    assert [c['subset'] for c in some] == ['v1m', 'v2', 'v2']
    dog = AVSS_CLASSES.index('dog')
    for labels in ('semantic', 'rgb'):
        dataset = AVSBenchSemanticDataset(data_root=root, split='val', labels=labels, pipeline=VISUAL)
        masks = dataset[2]['masks']
        assert [int((m == dog).sum()) for m in masks] == [12 * k for k in range(1, 11)]
        assert all(set(np.unique(m)) == {0, dog} for m in masks)
    for options in (dict(subsets=['v3']), dict(subsets=[]), dict(labels='binary')):
        with pytest.raises(ValueError, match='must'):
            AVSBenchSemanticDataset(data_root=root, split='val', **options)
    assert AVSBenchSemanticDataset.METAINFO['classes'] == AVSS_CLASSES
    assert AVSBenchSemanticDataset.METAINFO['palette'][:3] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    assert AVSBenchSemanticDataset.METAINFO['palette'][70] == [32, 128, 128] and len(AVSS_CLASSES) == 71


def test_avss_csv_faults(avss_root):
    edit(avss_root / 'metadata.csv', 'emergency-car_man', 'emergency-car_martian')
    with pytest.raises(ValueError, match=r"metadata.csv: a_obj of ptrain_0_10000 names \['martian'\]"):
        AVSBenchSemanticDataset(data_root=str(avss_root), split='train')
    edit(avss_root / 'metadata.csv', ',v1m', ',v7')
    with pytest.raises(ValueError, match=r"metadata.csv: found label \['v7'\], expected \['v1s', 'v1m', 'v2'\]"):
        AVSBenchSemanticDataset(data_root=str(avss_root), split='train')


def test_avss_split_without_rows_of_the_subset(avss_root):
    lines = (avss_root / 'metadata.csv').read_text().splitlines()
    (avss_root / 'metadata.csv').write_text('\n'.join(line for line in lines if not line.endswith('test,v1m')))
    with pytest.raises(ValueError, match=r"no row has split in \['test'\]; found the values \['train', 'val'\]"):
        AVSBenchSemanticDataset(data_root=str(avss_root), split='test', subsets=['v1m'])


def test_avss_frame_count_mismatch(avss_root):
    folder = avss_root / 'v1m/mval_1/frames'
    (folder / '5.jpg').write_bytes((folder / '4.jpg').read_bytes())
    with pytest.raises(DatasetError, match=r'clip mval_1: .*v1m/mval_1/frames: found 6 .jpg files, expected 5 frames'):
        AVSBenchSemanticDataset(data_root=str(avss_root), split='val')


def with_dog_moved(index):
    return {**index, 'dog': 12}


@pytest.mark.parametrize('change, message', [
    (lambda index: {name: i + 1 for name, i in index.items()}, r'numbered from 1 \(background = 1\), expected from 0'),
    (with_dog_moved, rf"other index: \['dog = 12 instead of {AVSS_CLASSES.index('dog')}'\]"),
    (lambda index: {('hound' if name == 'dog' else name): i for name, i in index.items()},
     r"missing \['dog'\], not expected \['hound'\]"),
    (lambda index: list(index), 'found a json list; expected 71 class names with their indices')])
def test_label_file_must_match(avss_root, change, message):
    path = avss_root / 'label2idx.json'
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match='label2idx.json: .*' + message):
        AVSBenchSemanticDataset(data_root=str(avss_root), split='train')
    path.unlink()
    assert len(AVSBenchSemanticDataset(data_root=str(avss_root), split='train')) == 4
