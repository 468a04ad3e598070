"""Saved masks are scored as the test scored them."""
import re
import runpy
import shutil
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from PIL import Image

from mmicf.analysis import saved_masks
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


def make_root(folder, subset, size=48):
    rows = [r for split in ('train', 'val', 'test') for i in range(3)
            for r in write_clip(ClipJob(str(folder), subset, split, i, 0, size))]
    write_tables(str(folder), subset, rows)
    return folder / KINDS[subset][1]


def predict(root, out, subset, *, resize=(), bench=None, confusion=None):
    """Random hard predictions at the size of ``resize`` steps as PNG files in ``out``; scores of both metrics by name."""
    init_default_scope('mmicf')
    pipeline = [dict(type='LoadFrames'), dict(type='LoadMasks'), *resize, dict(type='PackAVSInputs', keys=())]
    dataset = DATASETS.build(dict(type=KINDS[subset][0], data_root=str(root), split='test', test_mode=True, pipeline=pipeline))
    task = 'semantic' if subset == 'avss' else 'binary'
    metrics = [AVSBenchMetric(task=task, **bench or {}), AVSConfusionMetric(**confusion or {})]
    everything = [AVSPredictionWriter(out_dir=str(out)), *metrics]
    rng = np.random.default_rng(0)
    for i in range(len(dataset)):
        sample, = pseudo_collate([dataset[i]])['data_samples']
        for frame in sample.frames:
            gt = frame.gt_sem_seg.data
            wrong = gt.new_tensor(rng.random(gt.shape) < 0.3)
            pred = (gt + wrong) % len(dataset.metainfo['classes'])
            frame.pred_sem_seg = type(frame.gt_sem_seg)(data=pred)
            if task == 'binary':
                frame.av_score = type(frame.gt_sem_seg)(data=pred.float())
        for metric in everything:
            metric.dataset_meta = dataset.metainfo
            metric.process({}, [sample.to_dict()])
    return [metric.compute_metrics(metric.results) for metric in metrics]


@pytest.fixture(params=list(KINDS))
def predicted(request, tmp_path):
    """A synthetic set, the folder of its predictions' PNG files, and what both metrics gave them."""
    root = make_root(tmp_path, request.param)
    return request.param, root, tmp_path / 'out', predict(root, tmp_path / 'out', request.param)


def as_avsbench_saves(out, subset):
    """Renames to what AVSBench's own scripts write: frames from 0, class ids as colours, ten pictures for every AVSS clip."""
    for folder in sorted({path.parent for path in out.rglob('*.png')}):
        paths = sorted(folder.glob('*.png'), key=lambda path: int(path.stem.rpartition('_')[2]))
        for k, path in enumerate(paths):
            path.rename(folder / f'{folder.name}_{k}.png')
        if subset == 'avss':
            for k in range(10):
                path = folder / f'{folder.name}_{k}.png'
                shown = avss_palette()[np.asarray(Image.open(path))] if path.exists() else np.zeros((48, 48, 3), np.uint8)
                Image.fromarray(shown).save(path)


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


def test_names_of_the_avsbench_family(predicted, monkeypatch, capsys):
    subset, root, out, (bench, confusion) = predicted
    as_avsbench_saves(out, subset)
    text = run(monkeypatch, capsys, out, '--dataset', subset, '--root', root).out
    assert scores(text, 'avsbench') == pytest.approx([bench[k] for k in ('J', 'F', 'JF')], abs=1e-3)
    assert scores(text, 'confusion') == pytest.approx(list(confusion.values()), abs=1e-3)
    form = '{name}_{k}.png from 0' + (' (there is a {name}_0.png)' if subset != 'avss' else '')
    assert f'masks are named {form}: 3 clips\n' in text


def test_frames_are_never_taken_one_off(predicted, monkeypatch, capsys):
    subset, root, out, _ = predicted
    as_avsbench_saves(out, subset)
    first = sorted(out.rglob('*_0.png'))[0]
    name = first.parent.name
    shutil.copy(first, first.with_name(f'{name}_10.png'))
    if subset != 'avss':  # what a stale file would make readable from 1 is still read from 0, and said
        shutil.copy(first, first.with_name(f'{name}_5.png'))
        text = run(monkeypatch, capsys, out, '--dataset', subset, '--root', root).out
        assert '{name}_{k}.png from 0 (there is a {name}_0.png and a {name}_5.png, which is not read): 1 clips' in text
    first.unlink()
    # In AVSS ten pictures per clip would hide that the first of five is lost.
    error, found = ((FileNotFoundError, rf'1 masks are missing(.|\n)*frame 0: no \S*{re.escape(first.name)}') if subset == 'avss'
                    else (ValueError, rf'count their frames from 0(.|\n)*others from 1 \(\S*{re.escape(name)}_1\.png'))
    with pytest.raises(error, match=found):
        run(monkeypatch, capsys, out, '--dataset', subset, '--root', root)
    if subset != 'avss':
        first.with_name(f'{name}_5.png').unlink()
        with pytest.raises(FileNotFoundError, match=r'frame 4: no \S*_5\.png; its masks are .* from 1 \(there is no'):
            run(monkeypatch, capsys, out, '--dataset', subset, '--root', root)


@pytest.mark.parametrize('subset, bench, confusion', [
    ('avss', dict(absent='skip', background='drop'), dict(absent='skip')), ('ms3', dict(f_group=2, empty_gt='skip'), {})])
def test_config_scores_as_the_test_does(subset, bench, confusion, tmp_path, monkeypatch, capsys):
    root, resize = make_root(tmp_path, subset), [dict(type='ClipResize', size=(30, 40))]
    expected = predict(root, tmp_path / 'out', subset, resize=resize, bench=bench, confusion=confusion)
    task = 'semantic' if subset == 'avss' else 'binary'
    evaluator = [dict(type='mmicf.AVSBenchMetric', task=task, **bench), dict(type='AVSConfusionMetric', **confusion)]
    config = tmp_path / 'config.py'
    pipeline = [dict(type='LoadFrames'), dict(type='mmicf.LoadMasks'), *resize]
    config.write_text(f"test_dataloader = dict(dataset=dict(type='{KINDS[subset][0]}', pipeline={pipeline}))\n"
                      f'test_evaluator = {evaluator}\n')
    arguments = (tmp_path / 'out', '--dataset', subset, '--root', root)
    text = run(monkeypatch, capsys, *arguments, '--config', config).out
    assert scores(text, 'avsbench') == pytest.approx([expected[0][k] for k in ('J', 'F', 'JF')], abs=1e-3)
    assert scores(text, 'confusion') == pytest.approx(list(expected[1].values()), abs=1e-3)
    assert 'compared at 30x40 pixels; ' in text and all(f"'{name}': {value!r}" in text for name, value in bench.items())
    plain = run(monkeypatch, capsys, *arguments).out
    assert 'compared at the size of the ground truth' in plain
    assert abs(scores(plain, 'avsbench')[0] - expected[0]['J']) > 0.5  # what was scored before is not what the test scores
    with pytest.raises(ValueError, match=r'tests on AVSBench\w+, expected AVSBenchS4Dataset'):
        run(monkeypatch, capsys, *arguments[:1], '--dataset', 's4', '--root', make_root(tmp_path, 's4'), '--config', config)




def test_one_clip_at_a_time_is_in_memory(tmp_path, monkeypatch, capsys):
    root, alive, most = make_root(tmp_path, 'ms3'), [], []
    predict(root, tmp_path / 'out', 'ms3')
    load = saved_masks.saved_clip

    def watched(*args):
        sample = load(*args)
        alive.append(weakref.ref(sample['frames'][0]))
        most.append(sum(frame() is not None for frame in alive))
        return sample

    monkeypatch.setattr(saved_masks, 'saved_clip', watched)
    run(monkeypatch, capsys, tmp_path / 'out', '--dataset', 'ms3', '--root', root)
    assert len(most) == 3 and max(most) <= 2  # the new one, and the one before until it is replaced


def test_switches_of_the_other_kind_of_set_are_refused(tmp_path, monkeypatch, capsys):
    root = make_root(tmp_path, 'ms3')
    with pytest.raises(ValueError, match='per_class_out: not read'):
        run(monkeypatch, capsys, tmp_path, '--dataset', 'ms3', '--root', root, '--per-class', tmp_path / 'x.csv')
