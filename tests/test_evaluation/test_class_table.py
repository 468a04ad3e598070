"""The table of classes: values, mean, bold and errors."""
import math

import numpy as np
import pytest
from made_clips import random_class_clip

from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric
from mmicf.evaluation.class_table import class_markdown, class_rows, class_scores_of, read_class_file, write_class_csv

CLASSES = ['background', 'cat', 'dog', 'piano', 'never']


@pytest.fixture(params=['csv', 'json'])
def files(request, tmp_path):
    """Two models' files and their clips; no prediction and no truth holds the last class."""
    out = {}
    for m, name in enumerate(('a', 'b')):
        clips = [random_class_clip(10 * m + i, 4, missing=(1,)) for i in range(4)]
        paths = [str(tmp_path / f'{name}_{kind}.{request.param}') for kind in ('bench', 'confusion')]
        for metric in (AVSBenchMetric(task='semantic', per_class_out=paths[0]), AVSConfusionMetric(per_class_out=paths[1])):
            metric.dataset_meta = dict(classes=CLASSES)
            for clip in clips:
                metric.process({}, [clip.to_dict()])
            metric.compute_metrics(metric.results)
        out[name] = paths, clips
    return out


def plain(clips, c):
    """J, F and FDR of a class by loops over frames."""
    ious, fs, right, wrong = [], [], 0, 0
    for frame in (frame for clip in clips for frame in clip.frames if frame.has_gt):
        pred, gt = (frame.get(k).data[0].numpy() for k in ('pred_sem_seg', 'gt_sem_seg'))
        pred, gt = pred[gt != 255] == c, gt[gt != 255] == c
        both, either = (pred & gt).sum(), (pred | gt).sum()
        right, wrong = right + both, wrong + (pred & ~gt).sum()
        if either:
            p, r = both / max(pred.sum(), 1), both / max(gt.sum(), 1)
            ious.append(both / either)
            fs.append(1.3 * p * r / (0.3 * p + r) if both else 0)
    return [100 * np.mean(ious), 100 * np.mean(fs), 100 * wrong / (right + wrong)]


def test_values_and_mean_are_those_of_plain_loops(files, tmp_path):
    rows = class_rows({name: class_scores_of(*paths) for name, (paths, _) in files.items()})
    assert [row['class'] for row in rows] == [*CLASSES[:4], 'mean']
    for name, (_, clips) in files.items():
        expected = np.array([plain(clips, c) for c in range(4)])
        found = np.array([[row[f'{name} {score}'] for score in ('J', 'F', 'FDR')] for row in rows])
        np.testing.assert_allclose(found[:4], expected, rtol=1e-6)
        np.testing.assert_allclose(found[4], expected.mean(0), rtol=1e-6)
    write_class_csv(tmp_path / 'classes.csv', rows)
    again = read_class_file(tmp_path / 'classes.csv')
    assert again['mean'] == {key: value for key, value in rows[-1].items() if key != 'class'}


def test_undefined_scores_are_left_out_of_the_mean_and_the_best_are_bold(tmp_path):
    nan = math.nan
    rows = class_rows({'x': {'cat': dict(J=50., F=60., FDR=10.), 'dog': dict(J=nan, F=nan, FDR=nan)},
                       'y': {'cat': dict(J=40., F=60., FDR=20.), 'dog': dict(J=80., F=0., FDR=nan)}})
    assert rows[-1] == pytest.approx({'class': 'mean', 'x J': 50, 'x F': 60, 'x FDR': 10, 'y J': 60, 'y F': 30, 'y FDR': 20})
    assert class_markdown(rows).splitlines()[2:] == [
        '| cat | **50.00** | 60.00 | **10.00** | 40.00 | 60.00 | 20.00 |', '| dog | - | - | - | 80.00 | 0.00 | - |',
        '| mean | 50.00 | **60.00** | **10.00** | **60.00** | 30.00 | 20.00 |']
    write_class_csv(tmp_path / 'x.csv', rows)
    assert math.isnan(read_class_file(tmp_path / 'x.csv')['dog']['y FDR'])


def test_files_that_do_not_fit(files, tmp_path):
    (bench, confusion), _ = files['a']
    with pytest.raises(ValueError, match=r"expected \['frames', 'J', 'F'\]"):
        class_scores_of(confusion, bench)
    with pytest.raises(FileNotFoundError, match='none'):
        class_scores_of(bench, tmp_path / 'none.csv')
    (tmp_path / 'x.csv').write_text('a,b\n1,2\n')
    with pytest.raises(ValueError, match='no class scores'):
        class_scores_of(bench, tmp_path / 'x.csv')
    with pytest.raises(ValueError, match='different classes'):
        class_rows({'x': {'cat': {}}, 'y': {'dog': {}}})
