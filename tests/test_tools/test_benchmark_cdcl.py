"""The CDCL benchmark runs small, and its two forms compute one thing."""
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_cdcl.py'


def test_it_prints_a_row_for_each_size(monkeypatch, capsys):
    arguments = '--clips 2 6 --frames 3 --dims 40 --block 3 --runs 1 --device cpu'
    monkeypatch.setattr(sys, 'argv', [TOOL.name, *arguments.split()])
    runpy.run_path(str(TOOL), run_name='__main__')
    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in out.splitlines() if line.startswith('|')][1:]
    assert [row[:3] for row in rows] == [['2', '3', 'W2'], ['2', '3', 'D'], ['6', '3', 'W2'], ['6', '3', 'D']]
    assert [row[4].startswith('~') for row in rows] == [False, False, True, True]  # six clips are scaled from three
    for row in rows:
        for cells in (row[3:6], row[6:9]):
            low, dense, ratio = (float(re.search(r'[\d.e+]+', cell)[0]) for cell in cells)
            assert ratio == pytest.approx(dense / low, rel=0.05, abs=0.51)
        low_mib, dense_mib = (float(cell.lstrip('~')) for cell in row[9:])
        assert 0 < low_mib < dense_mib
    assert float(re.search(r'differ by at most ([\d.e-]+) in float64', out)[1]) < 1e-4


def test_backward_is_taken_only_where_it_is_timed():
    tool, seen = runpy.run_path(str(TOOL)), []

    def form(x, y, gamma):
        seen.append((torch.is_grad_enabled(), x.requires_grad, gamma))
        x.register_hook(lambda grad: seen.append('backward')) if x.requires_grad else None
        return x * y

    for backward in (False, True):
        tool['step'](form, torch.ones(2), torch.ones(2), 0.1, backward)()
    assert seen == [(False, False, 0.1), (True, True, 0.1), 'backward']


def test_both_forms_have_one_gradient():
    """Full rank (T > D), where the dense form's gradient is defined."""
    tool = runpy.run_path(str(TOOL))
    x, y = tool['unit_clips'](3, 20, 6, torch.device('cpu'))
    x, y = x.double().requires_grad_(), y.double().requires_grad_()
    found = [torch.autograd.grad(tool[name](x, y, 0.1).sum(), (x, y)) for name in ('low_rank', 'dense')]
    for a, b in zip(*found, strict=True):
        assert (a - b).abs().max() < 1e-4 * b.abs().max()


def test_peak_memory_counts_what_is_held_at_once():
    tool = runpy.run_path(str(TOOL))

    def run():
        a = torch.empty(2**20, dtype=torch.uint8).fill_(1)
        del a
        b, c = (torch.empty(2**20, dtype=torch.uint8).fill_(1) for _ in range(2))
        del b, c

    assert tool['allocated_peak'](run, torch.device('cpu')) == pytest.approx(2, abs=0.01)
