"""Faults planted into synthetic trees are found, each by name, and a clean tree has none."""
import csv
import json
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables

TOOL = str(Path(__file__).parents[2] / 'tools/dataset_converters/check_dataset.py')
FOLDERS = {'s4': 'Single-source', 'ms3': 'Multi-sources', 'avss': 'AVSS', 'vpo': 'VPO'}


def synthetic(out, subset, train=3):
    rows = [row for split, count in (('train', train), ('val', 2), ('test', 3)) for i in range(count)
            for row in write_clip(ClipJob(str(out), subset, split, i, 0, 48))]
    write_tables(str(out), subset, rows)
    return out / FOLDERS[subset]


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(TOOL, run_name='__main__')
    return done.value.code, capsys.readouterr().out


@pytest.mark.parametrize('subset', list(FOLDERS))
def test_a_clean_tree_has_no_fault(subset, tmp_path, monkeypatch, capsys):
    root = synthetic(tmp_path, subset)
    code, printed = run(monkeypatch, capsys, subset, root, '--jobs', 1)
    assert code == 0 and ' 0 problems' in printed


def plant(root):
    """22 faults in 22 places of a tree in AVSS's layout → (part of the path, part of what must be found)."""
    with open(root / 'metadata.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    clips = [root / row['label'] / row['uid'] for row in rows if row['split'] == 'train']
    assert len(clips) >= 21
    expected = []

    def fault(k, name, found, change):
        path = clips[k] / name
        change(path)
        expected.append((str(path), found))

    whole = Image.open(clips[0] / 'frames/0.jpg').size

    def picture(size=whole, value=0, mode='L'):
        return Image.new(mode, size, value)

    def samples(path):
        return soundfile.read(path)

    def scaled(path, length=None, value=None, channels=1):
        x, rate = samples(path)
        x = x[:length] if value is None else np.full_like(x, value)
        soundfile.write(path, np.repeat(x[:, None], channels, 1), rate, subtype='FLOAT')

    fault(0, 'frames/1.jpg', 'no such file', Path.unlink)
    fault(1, 'frames/2.jpg', 'cannot be decoded', lambda p: p.write_bytes(p.read_bytes()[:-200]))
    fault(2, 'frames/3.jpg', '40x48', lambda p: picture((48, 40), (0, 0, 0), 'RGB').save(p))
    fault(3, 'frames', '.jpg files', lambda p: shutil.copy(p / '0.jpg', p / '11.jpg'))
    fault(4, 'frames/0.jpg', 'no readable picture', lambda p: p.write_text('no picture'))
    fault(5, 'labels_semantic/0.png', 'no such file', Path.unlink)
    fault(6, 'labels_semantic/0.png', 'a mask of 20x48', lambda p: picture((48, 20)).save(p))
    fault(7, 'labels_semantic/0.png', 'the values [80]', lambda p: picture(value=80).save(p))
    fault(8, 'labels_semantic/0.png', 'cannot be decoded', lambda p: p.write_bytes(p.read_bytes()[:60]))
    fault(9, 'labels_semantic/0.png', 'PIL mode RGB', lambda p: picture(value=(1, 1, 1), mode='RGB').save(p))
    fault(10, 'audio.wav', 'no such file', Path.unlink)
    fault(11, 'audio.wav', 'truncated', lambda p: p.write_bytes(p.read_bytes()[:5000]))
    fault(12, 'audio.wav', '1.00 s of sound', lambda p: scaled(p, 16000))
    fault(13, 'audio.wav', 'NaN or infinite', lambda p: scaled(p, value=np.nan))
    fault(14, 'audio.wav', 'silence', lambda p: scaled(p, value=0.))
    fault(15, 'audio.wav', 'cannot be read as sound', lambda p: p.write_text('no sound'))
    fault(16, 'audio.wav', '4 channels', lambda p: scaled(p, channels=4))
    fault(17, 'audio.wav', 'samples reach', lambda p: scaled(p, value=1e4))
    fault(18, 'frames', 'no such folder', shutil.rmtree)
    fault(19, 'labels_rgb/1.png', 'no such file', Path.unlink)
    fault(20, 'labels_rgb/0.png', '(1, 2, 3) in 3072 pixels', lambda p: picture(value=(1, 2, 3), mode='RGB').save(p))
    stranger = clips[19].parent / 'stranger'
    (stranger / 'frames').mkdir(parents=True)
    expected.append((str(stranger), 'no row of the csv names'))
    return expected


def test_planted_faults_are_found(tmp_path, monkeypatch, capsys):
    root = synthetic(tmp_path, 'avss', train=21)
    expected = plant(root)
    code, printed = run(monkeypatch, capsys, 'avss', root, '--jobs', 2, '--fix-list', tmp_path / 'fix.txt')
    assert code == 1
    lines = printed.splitlines()
    for path, found in expected:
        assert any(f' {path} ' in line and found in line for line in lines), (path, found)
    listed = [line.split('\t')[1] for line in (tmp_path / 'fix.txt').read_text().splitlines()]
    removed = {path for path in listed if Path(path).parent == Path(expected[18][0]).parent}  # the rest of the removed folder
    assert {path for path, _ in expected} <= set(listed) and set(listed) - {p for p, _ in expected} <= removed


@pytest.mark.parametrize('kept, found', [('semantic', 'the values [80]'), ('rgb', '(80, 80, 80) in')])
def test_avss_with_one_kind_of_labels(kept, found, tmp_path, monkeypatch, capsys):
    root = synthetic(tmp_path, 'avss')
    folders = sorted(root.glob('v*/*/labels_*'))
    for folder in folders:
        if folder.name != f'labels_{kept}':
            shutil.rmtree(folder)
    code, printed = run(monkeypatch, capsys, 'avss', root, '--jobs', 1)
    assert code == 0 and ' 0 problems' in printed and len(folders) == 16
    path = next(root.glob(f'v2/*/labels_{kept}')) / '0.png'
    Image.new('L' if kept == 'semantic' else 'RGB', (64, 48), 80 if kept == 'semantic' else (80, 80, 80)).save(path)
    code, printed = run(monkeypatch, capsys, 'avss', root, '--jobs', 1)
    assert code == 1 and ' 1 problems' in printed and found in printed and str(path) in printed


@pytest.mark.parametrize('subset, table', [('s4', 's4_meta_data.csv'), ('ms3', 'ms3_meta_data.csv'), ('avss', 'metadata.csv'),
                                           ('vpo', 'VPO-MS/vpo_ms_data_stereo.csv')])
def test_rows_of_no_split(subset, table, tmp_path, monkeypatch, capsys):
    """One problem, with values and lines; no folder is called unlisted that the table lists."""
    path = synthetic(tmp_path, subset) / table
    lines = path.read_text().splitlines()
    changed = [re.sub(r'\btrain\b', value, line) for line, value in zip(lines[1:3], ('tran', 'Train'), strict=True)]
    path.write_text('\n'.join([lines[0], *changed, *lines[3:]]) + '\n')
    code, printed = run(monkeypatch, capsys, subset, tmp_path / FOLDERS[subset], '--jobs', 1)
    assert code == 1 and ' 1 problems' in printed and "found split ['Train', 'tran'], expected ['train', " in printed
    assert '; in line 2, 3 ' in printed and 'no row of the csv' not in printed
    assert (' 0 clips' in printed) == (subset != 'vpo')  # VPO's other tables are checked


def test_folders_of_a_table_that_cannot_be_used_are_no_strangers(tmp_path, monkeypatch, capsys):
    root = synthetic(tmp_path, 'avss')
    lines = (root / 'metadata.csv').read_text().splitlines()
    fields = lines[1].split(',')
    assert fields[5] == 'train'
    lines[1] = ','.join([*fields[:4], 'martian', *fields[5:]])
    (root / 'metadata.csv').write_text('\n'.join(lines) + '\n')
    code, printed = run(monkeypatch, capsys, 'avss', root, '--jobs', 1)
    assert code == 1 and ' 5 clips, 1 problems' in printed and "names ['martian']" in printed


def test_a_part_of_vpo(tmp_path, monkeypatch, capsys):
    root = synthetic(tmp_path, 'vpo')
    for folder in ('VPO-MS', 'VPO-MSMI'):
        shutil.rmtree(root / folder)
    code, printed = run(monkeypatch, capsys, 'vpo', root, '--jobs', 1)
    assert code == 0 and ' 0 problems' in printed and ' 0 clips' not in printed
    absent = [line for line in printed.splitlines() if 'not there' in line]
    assert absent == ['VPO-MS: not there, not checked', 'VPO-MSMI: not there, not checked']
    (root / 'VPO-MS').mkdir()
    code, printed = run(monkeypatch, capsys, 'vpo', root, '--jobs', 1)
    assert code == 1 and ' 1 problems' in printed and 'vpo_ms_data_stereo.csv: no such file' in printed
    for folder in ('VPO-MS', 'VPO-SS'):
        shutil.rmtree(root / folder)
    code, printed = run(monkeypatch, capsys, 'vpo', root, '--jobs', 1)
    assert code == 1 and ' 3 problems' in printed and 'not there' not in printed


def test_faults_of_the_tables(tmp_path, monkeypatch, capsys):
    root = synthetic(tmp_path, 'avss')
    text = (root / 'metadata.csv').read_text().splitlines()
    (root / 'metadata.csv').write_text('\n'.join([*text, text[1]]) + '\n')
    labels = json.loads((root / 'label2idx.json').read_text())
    (root / 'label2idx.json').write_text(json.dumps({name: i + 1 for name, i in labels.items()}))
    code, printed = run(monkeypatch, capsys, 'avss', root, '--jobs', 1, '--listing-only')
    assert code == 1 and 'numbered from 1' in printed and 'several rows in split' in printed
    (root / 'metadata.csv').write_text('vid,uid\n1,2\n')
    code, printed = run(monkeypatch, capsys, 'avss', root, '--listing-only')
    assert code == 1 and 'column' in printed and ' 0 clips' in printed
    monkeypatch.setattr(sys, 'argv', [TOOL, 'avss', str(tmp_path / 'nowhere')])
    with pytest.raises(FileNotFoundError, match='nowhere'):
        runpy.run_path(TOOL, run_name='__main__')
