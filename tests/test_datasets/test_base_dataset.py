"""Stateless draws, donors, shuffled sound, subsets and file checks of BaseAVDataset."""
import os

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchSemanticDataset
from mmicf.datasets.clip_files import DatasetError
from mmicf.datasets.transforms import LoadAudio, LoadLogMel


def draw(results):
    """A pipeline that reports what its clip's generator gives."""
    return dict(clip_id=results['clip_id'], draw=results['rng'].random(4),
                donor=results['get_donor'](results['rng'])['clip_id'])


def take_first(batch):
    return batch[0]


def train_set(root, **options):
    return AVSBenchMS3Dataset(data_root=str(root), split='train', pipeline=[draw], **options)


def test_draws_depend_on_seed_epoch_and_index_alone(ms3_root):
    dataset = train_set(ms3_root, seed=5)
    first = [dataset[i] for i in range(3)]
    again = [train_set(ms3_root, seed=5)[i] for i in (2, 0, 1)]  # another order
    for i, j in enumerate((1, 2, 0)):
        np.testing.assert_array_equal(first[i]['draw'], again[j]['draw'])
        assert first[i]['donor'] == again[j]['donor']
    np.testing.assert_array_equal(first[0]['draw'], np.random.default_rng((5, 0, 0)).random(4))
    assert not np.array_equal(first[0]['draw'], first[1]['draw'])
    assert not np.array_equal(first[0]['draw'], train_set(ms3_root, seed=6)[0]['draw'])
    dataset.set_epoch(1)
    assert not np.array_equal(first[0]['draw'], dataset[0]['draw'])
    dataset.set_epoch(0)
    np.testing.assert_array_equal(first[0]['draw'], dataset[0]['draw'])
    np.testing.assert_array_equal(first[2]['draw'], dataset[-1]['draw'])


def test_without_a_seed_the_run_s_seed_decides(ms3_root):
    dataset = train_set(ms3_root)
    dataset.set_run_seed(5)
    dataset.set_epoch(2)
    np.testing.assert_array_equal(dataset[1]['draw'], np.random.default_rng((5, 2, 1)).random(4))
    fixed = train_set(ms3_root, seed=7)
    fixed.set_run_seed(5)
    np.testing.assert_array_equal(fixed[1]['draw'], np.random.default_rng((7, 0, 1)).random(4))


@pytest.mark.parametrize('subset', [False, True])
def test_running_workers_see_a_new_epoch(ms3_root, subset):
    dataset = train_set(ms3_root)
    if subset:
        dataset = dataset.get_subset([2, 0])
    loader = DataLoader(dataset, batch_size=1, num_workers=2, collate_fn=take_first, persistent_workers=True)
    for epoch in (0, 3):
        dataset.set_epoch(epoch)
        drawn = [item['draw'] for item in loader]
        for i, values in enumerate(drawn):
            np.testing.assert_array_equal(values, np.random.default_rng((0, epoch, i)).random(4))


def test_none_from_a_pipeline_raises_also_in_training(ms3_root):
    dataset = AVSBenchMS3Dataset(data_root=str(ms3_root), split='train', pipeline=[lambda results: None])
    with pytest.raises(RuntimeError, match='clip x_0: a transform returned None'):
        dataset[0]


def test_donor_is_another_clip_of_equal_length(avss_root):
    dataset = AVSBenchSemanticDataset(data_root=str(avss_root), split='train', pipeline=[draw])
    lengths = {dataset.get_data_info(i)['clip_id']: dataset.get_data_info(i)['num_frames'] for i in range(4)}
    for epoch in range(8):
        dataset.set_epoch(epoch)
        for item in (dataset[i] for i in range(4)):
            assert item['donor'] != item['clip_id'] and lengths[item['donor']] == lengths[item['clip_id']]
    alone = AVSBenchSemanticDataset(data_root=str(avss_root), split='train', subsets=['v1m'], pipeline=[draw])
    with pytest.raises(ValueError, match='mtrain_1 is the only one of 1 with 5 frames'):
        alone[0]


def test_donors_of_a_subset_stay_in_it(ms3_root):
    subset = train_set(ms3_root).get_subset([2, 0])
    assert (subset[0]['donor'], subset[1]['donor']) == ('x_0', 'y')
    subset = train_set(ms3_root)
    subset.get_subset_(2)
    assert (subset[0]['donor'], subset[1]['donor']) == ('x_1', 'x_0')


@pytest.mark.parametrize('serialize', [True, False])
def test_shuffled_audio_is_a_derangement_within_equal_lengths(avss_root, serialize):
    options = dict(data_root=str(avss_root), split='val', serialize_data=serialize)
    plain = AVSBenchSemanticDataset(**options)
    shuffled = AVSBenchSemanticDataset(**options, shuffle_audio=1)
    own = [plain.get_data_info(i) for i in range(4)]
    new = [shuffled.get_data_info(i) for i in range(4)]
    assert [a['frame_paths'] for a in own] == [b['frame_paths'] for b in new]
    assert all(a['audio'] != b['audio'] for a, b in zip(own, new, strict=True))
    for length in (5, 10):
        paths = [sorted(c['audio'][0]['path'] for c in clips if c['num_frames'] == length) for clips in (own, new)]
        assert paths[0] == paths[1] and len(paths[0]) == 2
    with pytest.raises(ValueError, match='mval_1 is the only one of 3 with 5 frames'):
        AVSBenchSemanticDataset(**options, subsets=('v1m', 'v2'), shuffle_audio=1)


def test_shuffle_is_reproducible_and_depends_on_its_seed(ms3_root):
    def sounds(seed):
        dataset = train_set(ms3_root, shuffle_audio=seed)
        return tuple(dataset.get_data_info(i)['audio'][0]['path'] for i in range(3))
    assert sounds(1) == sounds(1)
    assert len({sounds(seed) for seed in range(10)}) == 2  # a set of three has two derangements


def test_all_missing_files_are_named_at_once(ms3_root):
    data = ms3_root / 'ms3_data'
    (data / 'visual_frames/x_0/x_0.mp4_3.png').unlink()
    (data / 'gt_masks/train/x_1/x_1_5.png').unlink()
    (data / 'audio_wav/train/y.wav').unlink()
    with pytest.raises(DatasetError) as caught:
        train_set(ms3_root)
    message = str(caught.value)
    assert '3 of 3 clips cannot be used' in message
    assert [(p.clip_id, p.path.split('/')[-1], p.expected) for p in caught.value.problems] == [
        ('x_0', 'x_0.mp4_3.png', 'frame 3 of 5'), ('x_1', 'x_1_5.png', 'mask of frame 5'), ('y', 'y.wav', 'audio file')]
    assert f'clip x_0: {data}/visual_frames/x_0/x_0.mp4_3.png: found no such file among the 4 of its folder' in message
    unverified = train_set(ms3_root, verify=False)
    assert len(unverified) == 3
    assert unverified.find_problems() == caught.value.problems
    assert len(train_set(ms3_root, verify=False, serialize_data=False).find_problems()) == 3


def test_only_selected_clips_are_checked(ms3_root):
    (ms3_root / 'ms3_data/audio_wav/train/y.wav').unlink()
    assert len(train_set(ms3_root, indices=2)) == 2
    assert [train_set(ms3_root, indices=[1]).get_data_info(0)['clip_id']] == ['x_1']
    with pytest.raises(ValueError, match='no clip is left with indices=0'):
        train_set(ms3_root, indices=0)


def test_missing_folders_and_surplus_frames(ms3_root):
    frames = ms3_root / 'ms3_data/visual_frames'
    (frames / 'x_0/x_0.mp4_6.png').write_bytes(b'')
    (frames / 'x_0/notes.txt').write_bytes(b'')
    (frames / 'x_1').rename(frames / 'moved')
    with pytest.raises(DatasetError) as caught:
        train_set(ms3_root)
    assert caught.value.problems == [
        ('x_0', f'{frames}/x_0', '6 .png files', '5 frames'),
        ('x_1', f'{frames}/x_1', 'no such folder', 'a folder with the frame 1 of 5')]


def test_log_mel_cache_replaces_the_layouts_files(ms3_root, tmp_path):
    with pytest.raises(DatasetError, match='found no such folder, expected a folder with the log-mel file'):
        train_set(ms3_root, log_mel_dir=str(tmp_path / 'cache'))
    (tmp_path / 'cache').mkdir()
    for name in ('x_0', 'x_1', 'y'):
        (tmp_path / f'cache/{name}.npy').write_bytes(b'')
    dataset = train_set(ms3_root, log_mel_dir=str(tmp_path / 'cache'))
    assert dataset.get_data_info(2)['log_mel_path'] == str(tmp_path / 'cache/y.npy')


def test_sounds_are_not_asked_for_where_only_log_mels_are_read(avss_root, tmp_path):
    (tmp_path / 'cache').mkdir()
    for uid in avss_root.glob('v*/*'):
        (tmp_path / f'cache/{uid.name}.npy').write_bytes(b'')
    options = dict(data_root=str(avss_root), split='test', log_mel_dir=str(tmp_path / 'cache'))
    kept = AVSBenchSemanticDataset(pipeline=[LoadLogMel()], **options)
    assert all(kept.get_data_info(i)['audio'] for i in range(4))
    for path in avss_root.glob('v*/*test*/audio.wav'):
        path.unlink()
    dataset = AVSBenchSemanticDataset(pipeline=[LoadLogMel()], **options)
    assert len(dataset) == 4 and dataset.get_data_info(0)['audio'] == []
    with pytest.raises(DatasetError, match=r'audio\.wav: found .*, expected audio file'):
        AVSBenchSemanticDataset(pipeline=[LoadAudio()], **options)
    with pytest.raises(DatasetError, match='log-mel file'):
        AVSBenchSemanticDataset(pipeline=[LoadLogMel()], **{**options, 'log_mel_dir': str(tmp_path)})


def test_what_macos_leaves_beside_pictures_is_no_frame(ms3_root):
    (ms3_root / 'ms3_data/visual_frames/x_0/._x_0.mp4_1.png').write_bytes(b'Mac OS X')
    assert len(train_set(ms3_root)) == 3


def test_a_folder_that_cannot_be_listed_is_named_beside_all_else(ms3_root, monkeypatch):
    locked, scandir = str(ms3_root / 'ms3_data/visual_frames/x_0'), os.scandir

    def refuse(folder):
        if str(folder) == locked:
            raise PermissionError(13, 'Permission denied', folder)
        return scandir(folder)

    monkeypatch.setattr(os, 'scandir', refuse)
    (ms3_root / 'ms3_data/audio_wav/train/y.wav').unlink()
    with pytest.raises(DatasetError) as caught:
        train_set(ms3_root)
    assert [(p.clip_id, p.path) for p in caught.value.problems] == [
        ('x_0', locked), ('y', str(ms3_root / 'ms3_data/audio_wav/train/y.wav'))]
    assert caught.value.problems[0].found == 'a folder that cannot be listed (Permission denied)'


def test_wrong_root_and_split(ms3_root):
    with pytest.raises(FileNotFoundError, match=r'nowhere: no such folder; .* expects the Multi-sources folder'):
        train_set(ms3_root / 'nowhere')
    with pytest.raises(FileNotFoundError, match=r'ms3_meta_data.csv: no such file; found beside it: audio_wav'):
        train_set(ms3_root / 'ms3_data')
    with pytest.raises(ValueError, match=r"has the splits \['train', 'val', 'test'\], got 'training'"):
        AVSBenchMS3Dataset(data_root=str(ms3_root), split='training')
    with pytest.raises(TypeError):
        train_set(ms3_root, colour='red')


def test_a_lazy_set_loads_on_first_use(ms3_root):
    dataset = AVSBenchMS3Dataset(data_root=str(ms3_root / 'nowhere'), split='train', lazy_init=True)
    assert dataset.metainfo['classes'] == ('background', 'sounding') and dataset.num_classes == 2
    with pytest.raises(FileNotFoundError):
        len(dataset)
