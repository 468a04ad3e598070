"""Grids of saved masks and of a model, by frames and by clips."""
import shutil

from PIL import Image
from tiny_runs import make_model, make_set, run_tool


def test_both_kinds_of_rows(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'ms3', test=3)
    shutil.copytree(root / 'ms3_data/gt_masks/test', tmp_path / 'masks')
    config, checkpoint = make_model(tmp_path, 'tpavi/tpavi_tiny_synthetic.py', root)
    common = ['--dataset', 'ms3', '--root', root, '--models', f'truth={tmp_path}/masks']
    run_tool(monkeypatch, 'qualitative_grid', *common, '--out', tmp_path / 'frames', '--clips', 'syntest00002')
    run_tool(monkeypatch, 'qualitative_grid', *common, f'TPAVI={config},{checkpoint}', '--out', tmp_path / 'clips',
             '--rows', 'clips', '--num', 2)
    assert sorted(p.name for p in (tmp_path / 'frames').iterdir()) == ['syntest00002.pdf', 'syntest00002.png']
    assert sorted(p.name for p in (tmp_path / 'clips').iterdir()) == ['grid.pdf', 'grid.png']
    frames, clips = Image.open(tmp_path / 'frames/syntest00002.png'), Image.open(tmp_path / 'clips/grid.png')
    assert frames.width < clips.width and frames.height > 2 * clips.height  # four columns and five, five rows and two


def test_semantic_set(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'avss', test=1)
    for path in root.glob('*/synte*'):
        shutil.copytree(path / 'labels_semantic', tmp_path / 'masks' / path.name)
    run_tool(monkeypatch, 'qualitative_grid', '--dataset', 'avss', '--root', root, '--models', f'truth={tmp_path}/masks', '--out',
             tmp_path / 'out', '--rows', 'clips')
    assert (tmp_path / 'out/grid.png').stat().st_size > 10000
