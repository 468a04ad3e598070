"""The quadrant tool on a small set: its csv files against plain re-computation."""
import csv
from itertools import pairwise

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image
from tiny_runs import make_model, make_set, run_tool

from mmicf.registry import DATASETS, MODELS


def table(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def iou(pred, gt):
    return (~pred).mean() if not gt.any() else (pred & gt).sum() / (pred | gt).sum()


def test_files_pictures_and_models(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'ms3', test=5)
    config, checkpoint = make_model(tmp_path, 'icf/baseline_tiny_synthetic.py', root)
    rng, truth = np.random.default_rng(0), root / 'ms3_data/gt_masks/test'
    for path in truth.rglob('*.png'):  # masks that are wrong in a tenth of the pixels
        gt = np.asarray(Image.open(path))
        target = tmp_path / 'masks' / path.relative_to(truth)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(rng.random(gt.shape) < 0.1, 255 - gt, gt)).save(target)
    out = tmp_path / 'out'
    run_tool(monkeypatch, 'complexity', '--dataset', 'ms3', '--root', root, '--out', out, '--models', f'saved={tmp_path}/masks',
             f'net={config},{checkpoint}', '--sound-threshold', '1e9')
    clips, rows = table(out / 'clips.csv'), table(out / 'quadrants.csv')
    changes = [float(row['picture_change']) for row in clips]
    for row, change in zip(clips, changes, strict=True):
        moving = change > np.median(changes)
        assert row['quadrant'] == ('moving, steady sound' if moving else 'still, steady sound')
        frames = [np.asarray(Image.open(root / f'ms3_data/visual_frames/{row["clip"]}/{row["clip"]}.mp4_{k}.png').convert('RGB')
                             .resize((224, 224), Image.BILINEAR)) / 255 for k in range(1, 6)]
        assert change == pytest.approx(np.mean([((a - b)**2).mean() for a, b in pairwise(frames)]), rel=0.1)
    quadrant = {row['clip']: row['quadrant'] for row in clips}
    scores = {}
    for path in truth.rglob('*.png'):
        gt, pred = (np.asarray(Image.open(p).resize((64, 64), Image.NEAREST)) > 0  # where the other model is tested
                    for p in (path, tmp_path / 'masks' / path.relative_to(truth)))
        for name in (quadrant[path.parent.name], 'all'):
            scores.setdefault(name, []).append(iou(pred, gt))
    saved = {row['quadrant']: row for row in rows if row['model'] == 'saved'}
    for name, ious in scores.items():
        assert int(saved[name]['frames']) == len(ious)
        assert float(saved[name]['J']) == pytest.approx(100 * np.mean(ious), abs=1e-3)
    assert saved['moving, changing sound']['clips'] == '0' and saved['moving, changing sound']['J'] == 'nan'

    cfg = Config.fromfile(config)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(checkpoint)['state_dict'])
    ious = []
    with torch.no_grad():
        for i in range(len(dataset)):
            sample, = model.test_step(pseudo_collate([dataset[i]]))
            ious += [iou(frame.av_score.data[0].numpy() > 0.5, frame.gt_sem_seg.data[0].numpy() == 1) for frame in sample.frames]
    net = next(row for row in rows if row['model'] == 'net' and row['quadrant'] == 'all')
    assert float(net['J']) == pytest.approx(100 * np.mean(ious), abs=1e-3)
    assert (out / 'quadrants.png').stat().st_size > 10000 and (out / 'quadrants.pdf').is_file()
    printed = capsys.readouterr().out
    assert 'ms3 test: 5 clips' in printed and 'saved masks are compared at 64x64 pixels' in printed


def test_wrong_models_are_refused(tmp_path, monkeypatch, capsys):
    common = ['--dataset', 'ms3', '--root', tmp_path, '--models']
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, 'complexity', *common, 'x')
    assert 'expected NAME=FOLDER' in capsys.readouterr().err
    for models, kind, error in (([f'x={tmp_path}/none'], FileNotFoundError, 'x: .*no such folder'),
                                ([f'x={tmp_path}/a.py,{tmp_path}/b.pth'], FileNotFoundError, 'no such file'),
                                ([f'x={tmp_path}', f'x={tmp_path}'], ValueError, 'different names')):
        with pytest.raises(kind, match=error):
            run_tool(monkeypatch, 'complexity', *common, *models)
