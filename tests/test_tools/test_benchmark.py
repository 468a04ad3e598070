"""The measuring tools run on the tiny config and print consistent figures."""
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmicf.models import AVSegmentor
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/icf/baseline_tiny_synthetic.py'


@pytest.fixture
def tool(monkeypatch, capsys):

    def call(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / 'tools/analysis_tools' / name), run_name='__main__')
        return capsys.readouterr().out

    return call


def rows(text):
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')]
    return {cells[0]: cells[1:] for cells in lines[1:]}


def number(pattern, text):
    return float(re.search(pattern, text)[1])


def test_get_flops_parts_add_up_and_grow_with_the_batch(tool):
    small = tool('get_flops.py', CONFIG, '--size', 64, '--frames', 2)
    parts = rows(small)
    top = [name for name in parts if '.' not in name]
    assert {'backbone', 'audio_backbone', 'neck', 'decode_head'} <= set(top) and 'decode_head.pixel_decoder' in parts
    total = number(r'([\d.]+) GFLOPs \(', small)
    assert sum(float(parts[name][1]) for name in top) == pytest.approx(total, abs=0.05)
    millions = sum(float(parts[name][0]) for name in top)
    assert millions == pytest.approx(number(r'parameters: ([\d.]+) M', small), abs=0.03)
    large = tool('get_flops.py', CONFIG, '--size', 64, '--frames', 2, '--clips', 2)
    assert number(r'([\d.]+) GFLOPs \(', large) == pytest.approx(2 * total, rel=0.05)
    assert float(rows(large)['backbone'][1]) == pytest.approx(2 * float(parts['backbone'][1]), abs=0.02)


def test_no_file_of_weights_is_read(tool):
    """ICF's towers and DDESeg's memory would read theirs: absent files, in tiny models."""
    tower = 'model.icf.text.visual_encoder'
    absent = ['--cfg-options', f'{tower}.pretrained=absent.bin', 'model.icf.text.audio_encoder.checkpoint=absent.pt']
    icf, size = 'configs/icf/icf_tiny_synthetic.py', ('--size', 64, '--frames', 2)
    with_icf, baseline = (tool('get_flops.py', *more, *size) for more in ((icf, *absent), (CONFIG, )))
    assert with_icf.splitlines()[1:] == baseline.splitlines()[1:]
    runs = ('--device', 'cpu', '--runs', 1, '--warmup', 0)
    assert 'training-only 0.00 M' not in tool('benchmark.py', icf, *size, *runs, *absent)
    reads = [*absent, 'model.icf.text_in_decoder=True', 'model.decode_head.decoder.text_attention=True']
    out = tool('get_flops.py', icf, *size, *reads)
    parts, total = rows(out), number(r'([\d.]+) GFLOPs \(', out)
    assert float(parts['icf'][1]) > 0 and total > number(r'([\d.]+) GFLOPs \(', baseline)
    assert sum(float(cells[1]) for name, cells in parts.items() if '.' not in name) == pytest.approx(total, abs=0.05)
    ddeseg = ('configs/ddeseg/ddeseg_tiny_synthetic.py', *size, '--cfg-options', 'model.derivation.memory.path=absent.npz')
    assert number(r'([\d.]+) GFLOPs \(', tool('get_flops.py', *ddeseg)) > 0


def test_maskiges_are_made_up_for_a_model_that_sees_them(tool, tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/combo/combo_tiny_synthetic.py')
    cfg.model.update(maskige_encoder='shared', maskige_channels=cfg.model.decode_head.pixel_decoder.in_channels)
    cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='LoadMaskiges', data_root='absent', maskige_root='absent'))
    cfg.dump(tmp_path / 'maskiges.py')
    out = tool('benchmark.py', tmp_path / 'maskiges.py', '--device', 'cpu', '--size', 64, '--frames', 1, '--runs', 1, '--train')
    assert number(r'forward: ([\d.e-]+) s', out) > 0 and number(r'training step [^:]*: ([\d.e-]+) s', out) > 0


@MODELS.register_module()
class SegmentorWithExtra(AVSegmentor):
    """Has another part in ICF's place; counts how often it took part."""
    with_extra = without_extra = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.icf = torch.nn.Linear(1000, 1000)
        self.icf.text_in_decoder = False

    def loss(self, inputs, data_samples):
        extra, self.icf = self.icf, None
        losses = super().loss(inputs, data_samples)
        self.icf = extra
        if extra is None:
            type(self).without_extra += 1
            return losses
        type(self).with_extra += 1
        return {**losses, 'loss_extra': extra.weight.square().mean()}


def test_training_only_parts_are_told_apart(tool):
    out = tool('benchmark.py', CONFIG, '--device', 'cpu', '--size', 64, '--frames', 1, '--runs', 2, '--warmup', 1,
               '--train', '--cfg-options', 'model.type=SegmentorWithExtra')
    assert SegmentorWithExtra.with_extra == SegmentorWithExtra.without_extra == 3
    assert 'training-only 1.00 M' in out
    step, without = number(r'training step [^:]*: ([\d.e-]+) s', out), number(r'without icf: ([\d.e-]+) s', out)
    assert number(r'parts add (-?[\d.]+) %', out) == pytest.approx(100 * (step / without - 1), abs=0.3)


@pytest.mark.parametrize('amp, name', [([], 'float32'), (['--amp'], 'bfloat16 autocast')])
def test_benchmark_prints_every_figure(tool, amp, name):
    out = tool('benchmark.py', CONFIG, '--device', 'cpu', '--size', 64, '--frames', 2, '--runs', 2, '--warmup', 1,
               '--train', *amp)
    assert name in out
    forward, backbone = number(r'forward: ([\d.e-]+) s', out), number(r'backbone alone: ([\d.e-]+) s', out)
    assert number(r'forward / backbone = ([\d.]+)', out) == pytest.approx(forward / backbone, abs=0.02)
    assert number(r'([\d.]+) frames/s', out) == pytest.approx(2 / forward, rel=0.01)
    parts = rows(out)
    assert sum(float(cells[1]) for name, cells in parts.items() if '.' not in name) == pytest.approx(100, abs=2)
    assert f'training step ({"AutocastOptimWrapper" if amp else "OptimWrapper"})' in out and 'training-only 0.00 M' in out
    assert number(r'peak memory, training step: (\d+) MiB', out) >= number(r'peak memory, forward: (\d+) MiB', out) > 50


def test_loading_counts_what_it_loads(tool, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / 'tests/test_engine'))
    from toy_training import config, loader
    Config(config(tmp_path, train_dataloader=loader(4, length=20))).dump(tmp_path / 'toy.py')
    out = tool('benchmark_loading.py', tmp_path / 'toy.py', '--workers', 0, '--clips', 30, '--steps', 1, '--device', 'cpu')
    assert 'ToyClips, 20 clips, 0 workers, batch 4' in out
    clips, seconds = number(r'\((\d+) clips in', out), number(r'clips in ([\d.e-]+) s', out)
    assert clips == 32  # whole batches, the warm-up not counted
    assert number(r'batch 4: ([\d.]+) clips/s', out) == pytest.approx(clips / seconds, rel=0.01)
    step, share = number(r'on cpu: ([\d.e-]+) s', out), number(r'in parallel, ([\d.]+) % of a step', out)
    assert share == pytest.approx(100 * number(r'takes ([\d.e-]+) s', out) / step, rel=0.05, abs=0.1)


def test_training_only_parts_of_icf_are_listed(tool):
    out = tool('benchmark.py', 'configs/icf/icf_tiny_synthetic.py', '--device', 'cpu', '--size', 64, '--frames', 2, '--runs', 1,
               '--warmup', 1, '--train')
    parts = rows(out)
    assert {'icf.text', 'icf.counterfactual', 'icf.contrast'} <= set(parts) and 'icf' not in parts
    assert 0 < float(parts['icf.counterfactual'][0]) < number(r'training step [^:]*: ([\d.e-]+) s', out)
    # 5 elements of 2 frames (video, 2 segments of 1, 2 frames), 5 prompts each, 6 positions: two layers of width 64 per tower
    dense, attention = 12 * 64**2, 4 * 36 * 64
    clip, roberta = 2 * (2 * 6 * dense + attention), 2 * (2 * 6 * (4 * 64**2 + 2 * 64 * 128) + attention)
    assert number(r'text towers: ([\d.]+) GFLOPs', out) == pytest.approx(25 * (clip + roberta) / 1e9, abs=0.06)
