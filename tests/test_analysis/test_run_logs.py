"""Curves of runs' logs, and what is drawn of them."""
import json

import pytest

from mmicf.analysis.run_logs import draw_runs, read_run, run_curves


def write_log(folder, start, records):
    path = folder / start / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(record) + '\n' for record in records))


@pytest.fixture
def run(tmp_path):
    """Two epochs of 20 iterations, then a resume that repeats the second."""
    write_log(tmp_path, '20260101_000000', [dict(loss=3., lr=0.1, time=1., epoch=1, iter=10, step=10),
                                            dict(loss=2., lr=0.1, time=1., epoch=1, iter=20, step=20), dict(J=40., time=9., step=1),
                                            dict(loss=9., lr=0.1, time=1., epoch=2, iter=30, step=30)])
    write_log(tmp_path, '20260102_000000', [dict(loss=1.5, lr=0.05, time=1., epoch=2, iter=30, step=30),
                                            dict(loss=1., lr=0.05, time=1., epoch=2, iter=40, step=40),
                                            dict(J=50., time=9., step=2)])
    return tmp_path


def test_curves_over_a_resume(run):
    curves = run_curves(read_run(run))
    assert curves['loss'] == ([10, 20, 30, 40], [3., 2., 1.5, 1.], 'iteration')
    assert curves['J'] == ([1, 2], [40., 50.], 'epoch')
    assert curves['time'].values == [1.] * 4  # not those of validation
    assert set(curves) == {'loss', 'lr', 'time', 'J'}
    assert run_curves(read_run(run / '20260102_000000'))['loss'].steps == [30, 40]


def test_panels_and_lines(run):
    curves = run_curves(read_run(run))
    figure = draw_runs({'one': curves, 'two': {'loss': curves['loss']}}, ['l*', 'J'])
    assert [(axes.get_ylabel(), axes.get_xlabel(), len(axes.lines)) for axes in figure.axes] == [
        ('loss', 'iteration', 2), ('lr', 'iteration', 1), ('J, %', 'epoch', 1)]
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[10, 3], [20, 2], [30, 1.5], [40, 1]]
    assert [text.get_text() for text in figure.legends[0].texts] == ['one', 'two']
    with pytest.raises(ValueError, match=r"no run has a scalar 'mIoU'; found \['loss', 'lr', 'time', 'J'\]"):
        draw_runs({'one': curves}, ['mIoU'])


def test_broken_logs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'vis_data/scalars\.json'):
        read_run(tmp_path)
    write_log(tmp_path, 'a', [[1]])
    with pytest.raises(ValueError, match='line 1: found list'):
        read_run(tmp_path)
    (tmp_path / 'a/vis_data/scalars.json').write_text('{}\n{"a": ')
    with pytest.raises(ValueError, match='line 2: found no json'):
        read_run(tmp_path)
