"""Small synthetic sets and models for the tests of tools."""
import runpy
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
FOLDERS = {'s4': 'Single-source', 'ms3': 'Multi-sources', 'avss': 'AVSS'}


def make_set(folder, subset, *, test, train=1, size=48):
    """A synthetic set with so many clips; its data_root."""
    counts = dict(train=train, val=1, test=test)
    rows = [r for split, n in counts.items() for i in range(n) for r in write_clip(ClipJob(str(folder), subset, split, i, 0, size))]
    write_tables(str(folder), subset, rows)
    return Path(folder) / FOLDERS[subset]


def make_model(folder, base, data_root, *, name='tiny', size=64, seed=0):
    """A config of ours on ``data_root`` with pictures of ``size``, and a checkpoint of random weights; both paths."""
    config = Path(folder) / f'{name}.py'
    cfg = Config.fromfile(ROOT / 'configs' / base)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(data_root)
        for step in loader.dataset.pipeline:
            if step['type'] == 'ClipResize':
                step['size'] = (size, size)
    cfg.dump(config)
    init_default_scope('mmicf')
    torch.manual_seed(seed)
    checkpoint = Path(folder) / f'{name}.pth'
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), checkpoint)
    return config, checkpoint


def run_tool(monkeypatch, name, *arguments):
    """Runs tools/analysis_tools/NAME.py with these arguments."""
    tool = str(ROOT / f'tools/analysis_tools/{name}.py')
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    runpy.run_path(tool, run_name='__main__')
