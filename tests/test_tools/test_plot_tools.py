"""The tools that plot runs and sweeps write their pictures and say what is in them."""
import json

import pytest
from tiny_runs import run_tool


def test_runs(tmp_path, monkeypatch, capsys):
    for name, loss in (('a', 3.), ('b', 2.)):
        path = tmp_path / name / 'now/vis_data/scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(''.join(json.dumps(dict(loss=loss / k, lr=0.1, epoch=k, iter=10 * k, step=10 * k)) + '\n' for k in (1, 2)))
    run_tool(monkeypatch, 'plot_runs', tmp_path / 'a', f'other={tmp_path}/b', '--keys', 'loss', 'lr', '--out', tmp_path / 'out')
    out = capsys.readouterr().out
    assert 'a: loss 1.5 (iteration 20), lr 0.1 (iteration 20)' in out and 'other: loss 1 (iteration 20)' in out
    assert (tmp_path / 'out/runs.png').stat().st_size > 10000 and (tmp_path / 'out/runs.pdf').is_file()
    with pytest.raises(ValueError, match='different names'):
        run_tool(monkeypatch, 'plot_runs', tmp_path / 'a', f'a={tmp_path}/b')


def test_sweeps(tmp_path, monkeypatch, capsys):
    (tmp_path / 'robustness.csv').write_text('condition,J,F\noriginal,80,90\nSNR 20 dB,75,85\nSNR 0 dB,60,70\n')
    run_tool(monkeypatch, 'plot_sweeps', f'x={tmp_path}/robustness.csv', '--out', tmp_path / 'out')
    assert 'x, test clips: 0 (1 runs), 20 (1 runs), inf (1 runs)' in capsys.readouterr().out
    assert (tmp_path / 'out/sweeps.png').stat().st_size > 10000 and (tmp_path / 'out/sweeps.pdf').is_file()
    with pytest.raises(FileNotFoundError, match=r'no such results\.csv or work_dir'):
        run_tool(monkeypatch, 'plot_sweeps', tmp_path / 'none')
