"""The class table from masks, from a checkpoint and from files of an earlier run."""
import numpy as np
import pytest
from PIL import Image
from tiny_runs import make_model, make_set, run_tool

from mmicf.evaluation.class_table import read_class_file
from mmicf.utils.class_names import AVSS_CLASSES


def test_masks_checkpoint_and_files(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'avss', test=3)
    rng = np.random.default_rng(0)
    for path in root.rglob('labels_semantic/*.png'):
        gt = np.asarray(Image.open(path))
        target = tmp_path / 'masks' / path.parent.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(rng.random(gt.shape) < 0.2, 0, gt)).save(target)
    config, checkpoint = make_model(tmp_path, 'tpavi/tpavi_tiny_synthetic-avss.py', root)
    out = tmp_path / 'out'
    run_tool(monkeypatch, 'per_class_table', '--dataset', 'avss', '--root', root, '--out', out, '--models',
             f'saved={tmp_path}/masks', f'net={config},{checkpoint}')
    first = (out / 'classes.md').read_text()
    printed = capsys.readouterr().out
    assert first in printed and 'saved masks are compared at 64x64 pixels' in printed
    rows = read_class_file(out / 'classes.csv')
    truth = [np.asarray(Image.open(p)) for uid in (tmp_path / 'masks').iterdir() for p in root.glob(f'*/{uid.name}/*semantic/*.png')
             if uid.name.startswith('synte')]
    there = {AVSS_CLASSES[i] for gt in truth for i in np.unique(gt)}
    assert there <= set(rows) and 'mean' in rows
    # At the size at which the other model is tested, not at the masks' own.
    dog = AVSS_CLASSES.index(min(there - {'background'}))
    ious = []
    for path in root.glob('*/synte*/labels_semantic/*.png'):
        gt, pred = (np.asarray(Image.open(p).resize((64, 64), Image.NEAREST)) == dog
                    for p in (path, tmp_path / 'masks' / path.parent.parent.name / path.name))
        ious += [(gt & pred).sum() / (gt | pred).sum()] if (gt | pred).any() else []
    assert rows[AVSS_CLASSES[dog]]['saved J'] == pytest.approx(100 * np.mean(ious), abs=1e-3)
    # Pixels were only ever taken away: nothing but background is predicted wrongly.
    for name in there - {'background'}:
        assert rows[name]['saved FDR'] == 0 and 60 < rows[name]['saved J'] < 90
    assert rows['background']['saved FDR'] > 0
    run_tool(monkeypatch, 'per_class_table', '--out', tmp_path / 'again', '--scores',
             *(f'{name}={out}/{name}_avsbench.csv,{out}/{name}_confusion.csv' for name in ('saved', 'net')))
    assert (tmp_path / 'again/classes.md').read_text() == first


def test_binary_sets_have_no_classes(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'ms3', test=1, size=32)
    with pytest.raises(ValueError, match='AVSBenchMS3Dataset is binary'):
        run_tool(monkeypatch, 'per_class_table', '--dataset', 'ms3', '--root', root, '--out', tmp_path / 'out', '--models',
                 f'x={tmp_path}')
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, 'per_class_table', '--out', tmp_path)
    assert 'give --models, --scores or both' in capsys.readouterr().err
