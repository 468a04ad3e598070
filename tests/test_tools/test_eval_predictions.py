"""Saved masks are scored as the test scored them."""
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from PIL import Image

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric, AVSPredictionWriter
from mmicf.registry import DATASETS
from mmicf.utils.class_names import avss_palette

TOOL = str(Path(__file__).parents[2] / 'tools/analysis_tools/eval_predictions.py')
KINDS = {'s4': ('AVSBenchS4Dataset', 'Single-source'), 'ms3': ('AVSBenchMS3Dataset', 'Multi-sources'),
         'avss': ('AVSBenchSemanticDataset', 'AVSS')}


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
    runpy.run_path(TOOL, run_name='__main__')
    return capsys.readouterr()


def scores(text, family):
    line = next(line for line in text.splitlines() if line.startswith(f'{family}: '))
    return [float(x) for x in re.findall(r' (\d+\.\d+)', line)]


@pytest.fixture(params=list(KINDS))
def predicted(request, tmp_path):
    """A synthetic set, random hard predictions as samples, and their PNG files."""
    init_default_scope('mmicf')
    subset = request.param
    rows = [r for split in ('train', 'val', 'test') for i in range(3)
            for r in write_clip(ClipJob(str(tmp_path), subset, split, i, 0, 48))]
    write_tables(str(tmp_path), subset, rows)
    kind, folder = KINDS[subset]
    dataset = DATASETS.build(dict(type=kind, data_root=str(tmp_path / folder), split='test', test_mode=True,
                                  pipeline=[dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackAVSInputs', keys=())]))
    rng, samples = np.random.default_rng(0), []
    for i in range(len(dataset)):
        sample, = pseudo_collate([dataset[i]])['data_samples']
        for frame in sample.frames:
            gt = frame.gt_sem_seg.data
            wrong = gt.new_tensor(rng.random(gt.shape) < 0.3)
            pred = (gt + wrong) % len(dataset.metainfo['classes'])
            frame.pred_sem_seg = type(frame.gt_sem_seg)(data=pred)
            if subset != 'avss':
                frame.av_score = type(frame.gt_sem_seg)(data=pred.float())
        samples.append(sample.to_dict())
    writer = AVSPredictionWriter(out_dir=str(tmp_path / 'out'))
    metrics = [AVSBenchMetric(task='semantic' if subset == 'avss' else 'binary'), AVSConfusionMetric()]
    for metric in (writer, *metrics):
        metric.dataset_meta = dataset.metainfo
        for sample in samples:
            metric.process({}, [sample])
    found = [metric.compute_metrics(metric.results) for metric in metrics]
    return subset, tmp_path / folder, tmp_path / 'out', found


def test_files_give_the_scores_of_the_test(predicted, monkeypatch, capsys):
    subset, root, out, (bench, confusion) = predicted
    for turn in range(2):
        text = run(monkeypatch, capsys, out, '--dataset', subset, '--root', root).out
        assert scores(text, 'avsbench') == pytest.approx([bench[k] for k in ('J', 'F', 'JF')], abs=1e-3)
        assert scores(text, 'confusion') == pytest.approx(list(confusion.values()), abs=1e-3)
        if turn:
            continue
        if subset == 'avss':  # and once more in palette colours, in the folders of the ground truth
            shutil.move(out, root.parent / 'flat')
            for path in (root.parent / 'flat').rglob('*.png'):
                clip, = root.glob(f'*/{path.parent.name}')
                target = out / clip.parent.name / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(avss_palette()[np.asarray(Image.open(path))]).save(target)
        else:  # and once more as 0 and 1
            for path in out.rglob('*.png'):
                Image.fromarray(np.asarray(Image.open(path)) // 255).save(path)


def test_masks_of_another_size_and_missing_ones(predicted, monkeypatch, capsys):
    subset, root, out, _ = predicted
    paths = sorted(out.rglob('*.png'))
    for path in paths:
        image = Image.open(path)
        image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST).save(path)
    run(monkeypatch, capsys, out, '--dataset', subset, '--root', root, '--size', '24', '24')
    paths[3].unlink()
    with pytest.raises(FileNotFoundError, match=f'1 masks are missing(.|\n)*{re.escape(paths[3].name)}'):
        run(monkeypatch, capsys, out, '--dataset', subset, '--root', root)
