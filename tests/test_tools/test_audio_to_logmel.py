import csv
import importlib.util
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mmicf.datasets import AVSBenchMS3Dataset, VPODataset
from mmicf.datasets.transforms import LoadLogMel
from mmicf.utils.log_mel import vggish_log_mel

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/audio_to_logmel.py'


@pytest.fixture
def in_process(monkeypatch):
    """The tool with threads for processes: workers cannot import a module that was loaded from its path."""
    spec = importlib.util.spec_from_file_location('audio_to_logmel', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'ProcessPoolExecutor', lambda n, **kwargs: ThreadPoolExecutor(n))
    return module


def _wav(path, seconds=5.0, seed=0, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * rate)).astype(np.int16)
    soundfile.write(path, samples, rate)
    return samples / 32768


def _csv(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def ms3(tmp_path):
    """Sounds of an MS3 tree; pictures are not needed here. Returns the root and each clip's samples."""
    root, clips = tmp_path / 'Multi-sources', [('a_0', 'train'), ('b', 'train'), ('c', 'val'), ('d', 'test')]
    _csv(root / 'ms3_meta_data.csv', ('video_id', 'split'), *clips)
    samples = {name: _wav(root / f'ms3_data/audio_wav/{split}/{name}.wav', seed=seed)
               for seed, (name, split) in enumerate(clips)}
    return root, samples


def test_the_command_writes_what_the_dataset_and_the_transform_read(ms3):
    root, samples = ms3
    done = subprocess.run([sys.executable, str(TOOL), 'ms3', str(root)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '4 written, 0 up to date, 0 failed' in done.stdout
    dataset = AVSBenchMS3Dataset(data_root=str(root), split='train', verify=False, log_mel_dir=str(root / 'log_mel'))
    for index, name in enumerate(('a_0', 'b')):
        info = dataset.get_data_info(index)
        np.testing.assert_allclose(LoadLogMel()(info)['log_mel'], vggish_log_mel(samples[name]), atol=1e-5)


def test_goes_on_where_it_stopped(in_process, ms3, capsys):
    root, samples = ms3
    args = ['ms3', str(root), '--out', str(root / 'cache'), '--processes', '1']
    assert in_process.main(args) == 0
    files = {name: root / f'cache/{name}.npy' for name in samples}
    stamps = {name: path.stat().st_mtime_ns for name, path in files.items()}
    files['a_0'].write_bytes(files['a_0'].read_bytes()[:5000])  # a half file, as of a run that was killed
    files['b'].unlink()
    new = _wav(root / 'ms3_data/audio_wav/val/c.wav', seed=9)
    later = stamps['c'] + 10**9
    os.utime(root / 'ms3_data/audio_wav/val/c.wav', ns=(later, later))
    capsys.readouterr()
    assert in_process.main(args) == 0
    assert '3 written, 1 up to date, 0 failed' in capsys.readouterr().out
    assert files['d'].stat().st_mtime_ns == stamps['d']
    np.testing.assert_allclose(np.load(files['a_0']), vggish_log_mel(samples['a_0']), atol=1e-5)
    np.testing.assert_allclose(np.load(files['c']), vggish_log_mel(new), atol=1e-5)
    assert sorted(p.name for p in (root / 'cache').iterdir()) == ['a_0.npy', 'b.npy', 'c.npy', 'd.npy']


def test_faulty_files_are_reported_and_the_rest_is_written(in_process, ms3, capsys):
    root, _ = ms3
    folder = root / 'ms3_data/audio_wav'
    _wav(folder / 'train/a_0.wav', seconds=0.5)
    whole = (folder / 'train/b.wav').read_bytes()
    (folder / 'train/b.wav').write_bytes(whole[:3000])
    (folder / 'val/c.wav').unlink()
    assert in_process.main(['ms3', str(root)]) == 1
    captured = capsys.readouterr()
    assert '1 written, 0 up to date, 3 failed' in captured.out
    for message in ('a_0.wav: 0.500 s of sound found, expected at least 0.975 s', 'b.wav: truncated',
                    'c.wav: no such audio file'):
        assert message in captured.err
    assert [p.name for p in (root / 'log_mel').iterdir()] == ['d.npy']


def test_official_pickles(in_process, ms3, capsys):
    root, _ = ms3
    log_mel = torch.rand(5, 1, 96, 64)
    for split, name in (('train', 'a_0'), ('train', 'b')):
        path = root / f'ms3_data/audio_log_mel/{split}/{name}.pkl'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(log_mel.requires_grad_()))
    assert in_process.main(['ms3', str(root), '--source', 'pkl', '--splits', 'train']) == 0
    assert '2 written' in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(root / 'log_mel/a_0.npy'), log_mel.detach())


def test_a_layout_without_the_asked_files(in_process, ms3):
    with pytest.raises(ValueError, match=r'clip a_0 of .* has no pkl file'):
        in_process.main(['ms3', str(ms3[0]), '--source', 'pkl'])
    with pytest.raises(ValueError, match='--audio-root is for VPO'):
        in_process.main(['ms3', str(ms3[0]), '--audio-root', 'x'])


def test_clips_of_one_name_in_two_splits(in_process, tmp_path):
    root = tmp_path / 'Multi-sources'
    _csv(root / 'ms3_meta_data.csv', ('video_id', 'split'), ('a', 'train'), ('a', 'val'), ('b', 'test'))
    with pytest.raises(ValueError, match=r'clip a names .*/val/a\.wav.* in split val and .*/train/a\.wav.* in another'):
        in_process.main(['ms3', str(root)])


def test_sounds_of_a_vpo_picture_are_fitted_and_summed(in_process, tmp_path):
    root, sounds = tmp_path / 'VPO', tmp_path / 'sounds'
    _csv(root / 'VPO-MS/vpo_ms_data_stereo.csv',
         ('img_Id', 'ann_Ids', 'cateName', 'cateId', 'vgg_file', 'split', 'audio_pos'),
         (7, 1, 'dog', 18, 'x', 'train', 0.2), (7, 2, 'cat', 17, 'y', 'train', 0.8))
    long, short = _wav(sounds / 'x.wav', 5), _wav(sounds / 'y.wav', 2, seed=1)
    assert in_process.main(['vpo-ms', str(root), '--audio-root', str(sounds), '--splits', 'train']) == 0
    expected = vggish_log_mel(long[16000:64000] + np.tile(short, 2)[:48000])
    dataset = VPODataset(data_root=str(root), subset='ms', split='train', verify=False, audio_root=str(sounds),
                         log_mel_dir=str(root / 'log_mel-ms'))
    info = dataset.get_data_info(0)
    np.testing.assert_allclose(np.load(info['log_mel_path']), expected, atol=1e-5)
    np.testing.assert_allclose(LoadLogMel()(info)['log_mel'], expected[1:2], atol=1e-5)
