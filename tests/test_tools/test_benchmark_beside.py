"""Timing beside another implementation: which passes run, how often, and bad files."""
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/avsegformer/avsegformer_tiny_synthetic.py'

# A model of three numbers, one of them frozen, that takes 0.2 s and writes down how it is called.
OTHER = '''
import time, torch

class Other:
    def __init__(self):
        self.model = torch.nn.Linear(2, 1)
        self.model.bias.requires_grad_(False)

    def note(self, name):
        time.sleep(0.2)
        flags = [self.model.training, torch.is_grad_enabled(), self.model.weight.grad is None]
        with open({log!r}, 'a') as file:
            print(name, *flags, file=file)

    def forward(self):
        self.note('forward')

    def loss(self):
        self.note('loss')
        loss = self.model(torch.ones(1, 2)).sum()
        self.model.weight.register_hook(lambda grad: self.note('backward'))
        return loss

build = Other
'''


def run(monkeypatch, *arguments):
    options = ['--device', 'cpu', '--size', '64', '--frames', '2', '--runs', '2']
    monkeypatch.setattr(sys, 'argv', ['benchmark_beside.py', *map(str, arguments), *options])
    runpy.run_path(str(ROOT / 'tools/analysis_tools/benchmark_beside.py'), run_name='__main__')


def test_both_take_turns_in_the_right_mode(monkeypatch, capsys, tmp_path):
    other, log = tmp_path / 'other.py', tmp_path / 'log'
    other.write_text(OTHER.format(log=str(log)))
    run(monkeypatch, CONFIG, other)
    # training, gradients enabled, no gradient left over; one warm-up and two runs each
    calls = log.read_text().splitlines()
    assert calls[:3] == ['forward False False True'] * 3
    assert [line for line in calls[3:] if line.startswith('loss')] == ['loss True True True'] * 3
    assert sum(line.startswith('backward') for line in calls[3:]) >= 3
    out = capsys.readouterr().out
    assert 'other: 0.00 M parameters, 0.00 M trainable' in out
    rows = {line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]]
            for line in out.splitlines() if line.startswith('|')}
    for name, least in (('forward', 0.2), ('forward and backward', 0.4)):
        ours, theirs, ratio = rows[name]
        seconds = [float(cell.split(' s')[0]) for cell in (ours, theirs)]
        assert seconds[1] >= least
        assert float(ratio) == pytest.approx(seconds[1] / seconds[0], rel=0.02, abs=0.01)


def test_bad_files(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'absent\.py'):
        run(monkeypatch, CONFIG, tmp_path / 'absent.py')
    (tmp_path / 'empty.py').write_text('make = 1\n')
    with pytest.raises(AttributeError, match=r"empty\.py must define build\(\), found \['make'\]"):
        run(monkeypatch, CONFIG, tmp_path / 'empty.py')
