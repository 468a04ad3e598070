"""A copy of AVSS at the network's size gives the network what the original does."""
import fcntl
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from mmicf.datasets import AVSBenchSemanticDataset
from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/resize_avss.py'
PIPELINE = [dict(type='mmicf.LoadFrames'), dict(type='mmicf.LoadMasks'), dict(type='mmicf.ClipResize', size=(48, 48))]


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location('resize_avss', TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'resize_avss', module)  # where its worker processes look for it
    spec.loader.exec_module(module)

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        return module.main()
    return call


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('avss')
    rows = [row for i in range(3) for row in write_clip(ClipJob(str(out), 'avss', 'train', i, 0, 80))]
    write_tables(str(out), 'avss', rows)
    return out / 'AVSS'


def clips(root, labels='semantic'):
    dataset = AVSBenchSemanticDataset(data_root=str(root), split='train', labels=labels, pipeline=PIPELINE)
    return [dataset[i] for i in range(len(dataset))]


def test_the_copy_shows_the_same_pictures_and_labels(root, tool, tmp_path, capsys):
    copy = tmp_path / 'small'
    assert tool(root, copy, '--size', 48, '--processes', 2) is None
    assert '3 clips written, 0 were there' in capsys.readouterr().out
    for labels in ('semantic', 'rgb'):
        for a, b in zip(clips(root, labels), clips(copy, labels), strict=True):
            assert a['clip_id'] == b['clip_id'] and b['ori_shape'] == (48, 48)
            for x, y in zip(a['frames'], b['frames'], strict=True):
                assert np.abs(x.astype(int) - y).mean() < 1 and np.abs(x.astype(int) - y).max() <= 6
            for x, y in zip(a['masks'], b['masks'], strict=True):
                assert (x is None and y is None) or np.array_equal(x, y)
    sounds = sorted(path.relative_to(root) for path in root.rglob('*.wav'))
    assert sounds and all((copy / path).read_bytes() == (root / path).read_bytes() for path in sounds)
    assert tool(root, copy, '--size', 48) is None and '0 clips written, 3 were there' in capsys.readouterr().out


def test_what_cannot_be_read_is_named_and_left_out(root, tool, tmp_path):
    copy, broken = tmp_path / 'small', tmp_path / 'AVSS'
    assert 'folder of its own' in tool(root, root)
    with pytest.raises(FileNotFoundError, match='expected the AVSS folder'):
        tool(tmp_path, copy)
    clip = sorted(path.parent for path in root.rglob('frames'))[0].relative_to(root)
    for path in (root / clip).rglob('*'):
        if path.is_file():
            (broken / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            (broken / path.relative_to(root)).write_bytes(path.read_bytes())
    (broken / 'metadata.csv').write_text('vid,uid\n')
    picture = sorted((broken / clip / 'frames').iterdir())[0]
    picture.write_text('no picture')
    assert str(picture) in tool(broken, copy, '--processes', 1)
    assert list((copy / clip.parent).iterdir()) == []  # nor is there a half copy


def test_what_a_killed_run_left_is_replaced(root, tool, tmp_path):
    copy, clip = tmp_path / 'small', sorted(path.parent for path in root.rglob('frames'))[0].relative_to(root)
    assert tool(root, copy, '--size', 48, '--processes', 1) is None
    whole = {path.relative_to(copy) for path in copy.rglob('*')}
    half = copy / clip.parent / f'.{clip.name}.part'
    (copy / clip).rename(half)
    (half / 'old').mkdir()
    assert tool(root, copy, '--size', 48, '--processes', 1) is None
    assert {path.relative_to(copy) for path in copy.rglob('*')} == whole


def test_two_runs_do_not_write_to_one_folder(root, tool, tmp_path):
    copy = tmp_path / 'small'
    assert tool(root, copy, '--size', 48, '--processes', 1) is None
    before = sorted(copy.rglob('*'))
    with open(copy / 'settings.json') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert 'another run writes' in tool(root, copy, '--size', 48, '--processes', 1)
    assert sorted(copy.rglob('*')) == before
    assert tool(root, copy, '--size', 48, '--processes', 1) is None


def test_clips_of_two_sizes_do_not_mix(root, tool, tmp_path):
    copy = tmp_path / 'small'
    assert tool(root, copy, '--size', 48, '--processes', 1) is None
    before = {path: path.read_bytes() for path in copy.rglob('*') if path.is_file()}
    with pytest.raises(FileExistsError, match=r"settings\.json: found {'size': 48}, expected {'size': 32}; choose another folder"):
        tool(root, copy, '--size', 32)
    (copy / 'settings.json').unlink()
    with pytest.raises(FileExistsError, match=r'small: found a folder that is not empty and has no settings\.json'):
        tool(root, copy, '--size', 48)
    after = {path: path.read_bytes() for path in copy.rglob('*') if path.is_file()}
    assert before.keys() - after.keys() == {copy / 'settings.json'} and all(before[path] == after[path] for path in after)
