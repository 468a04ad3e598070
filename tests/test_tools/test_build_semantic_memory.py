"""The tool on tiny synthetic sets; the memory that it writes fits the config that it was made for."""
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmicf.datasets import AVSBenchS4Dataset
from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.models.ddeseg import backbone_settings, load_memory
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/dataset_converters/build_semantic_memory.py')
CONFIG = 'configs/ddeseg/ddeseg_tiny_synthetic.py'
FOLDERS = {'s4': 'Single-source', 'avss': 'AVSS', 'vpo': 'VPO'}


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    found = {}
    for subset, folder in FOLDERS.items():
        out = tmp_path_factory.mktemp(subset)
        write_tables(str(out), subset, [row for i in range(4) for row in write_clip(ClipJob(str(out), subset, 'train', i, 0, 16))])
        found[subset] = out / folder
    return found


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments), '--device', 'cpu'])
    monkeypatch.chdir(ROOT)
    runpy.run_path(TOOL, run_name='__main__')


@pytest.mark.parametrize('subset', FOLDERS)
def test_memory_of_a_synthetic_set(subset, roots, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'memory.npz'
    options = [f'model.derivation.memory.classes={subset}']
    if subset == 'vpo':  # SS is one picture in three, of 4 s
        options.append('model.audio_backbone.out_dims=64')
    with pytest.raises(SystemExit):
        run(monkeypatch, CONFIG, out, '--dataset', subset, '--data-root', roots[subset], '--cfg-options', *options)
    printed, memory = capsys.readouterr().out, load_memory(out)
    counts = dict(zip(memory.settings['classes'], memory.settings['counts'], strict=True))
    heard = {name: n for name, n in counts.items() if n}
    assert heard and f'{sum(heard.values())} seconds of {len(heard)} classes' in printed
    assert f'{len(counts) - len(heard)} classes without a clip' in printed
    assert memory.settings['source'] == f'{subset} train'
    assert np.isfinite(memory.centers[[bool(n) for n in counts.values()]]).all()
    cfg = Config.fromfile(ROOT / CONFIG).model
    init_default_scope('mmicf')
    buffers = MODELS.build(dict(cfg.derivation.memory, path=str(out), classes=subset, embed_dims=64))
    buffers.backbone = backbone_settings(MODELS.build(cfg.audio_backbone))
    assert {name: memory.settings[name] for name in buffers.backbone} == buffers.backbone
    buffers.init_weights()
    assert torch.isfinite(buffers.centers).all(1).sum() == len(heard)


def test_every_second_of_a_clip_joins_its_class(roots, tmp_path, monkeypatch):
    with pytest.raises(SystemExit):
        run(monkeypatch, CONFIG, tmp_path / 'm.npz', '--dataset', 's4', '--data-root', roots['s4'])
    dataset = AVSBenchS4Dataset(data_root=str(roots['s4']), split='train', pipeline=[dict(type='LoadAudio'), dict(type='LogMel')])
    memory = load_memory(tmp_path / 'm.npz')
    torch.manual_seed(0)
    backbone = MODELS.build(Config.fromfile(ROOT / CONFIG).model.audio_backbone).eval()
    sums = {}
    with torch.no_grad():
        for i in range(len(dataset)):
            total = sums.setdefault(dataset[i]['category'], [])
            total += backbone(torch.from_numpy(dataset[i]['log_mel'])).tolist()
    for row, (name, count) in enumerate(zip(memory.settings['classes'], memory.settings['counts'], strict=True)):
        assert count == len(sums.get(name, ()))
        if count:
            np.testing.assert_allclose(memory.centers[row], np.mean(sums[name], 0), rtol=1e-3, atol=1e-4)


def test_refuses_a_set_of_other_classes(roots, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='none of 4 clips'):
        run(monkeypatch, CONFIG, tmp_path / 'm.npz', '--dataset', 'avss', '--data-root', roots['avss'])
