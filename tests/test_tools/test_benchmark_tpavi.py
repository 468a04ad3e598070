"""The benchmark of TPAVI's interaction compares equal results."""
import re
import runpy
import sys
from pathlib import Path


def test_both_forms_agree_and_the_small_one_takes_less_memory(monkeypatch, capsys):
    tool = str(Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_tpavi.py')
    monkeypatch.setattr(sys, 'argv', [tool, '--frames', '3', '--size', '64', '--dims', '16', '--runs', '1'])
    runpy.run_path(tool, run_name='__main__')
    rows = [re.split(r'\s*\|\s*', line.strip('| ')) for line in capsys.readouterr().out.splitlines() if 'x' in line and '|' in line]
    assert [row[0] for row in rows] == ['16x16', '8x8', '4x4', '2x2']
    assert all(float(row[-1]) < 1e-4 for row in rows)
    assert float(rows[0][6]) > 5  # 768 x 768 similarities against 768 x 3
