"""Comparison, probes and publishing of a tiny ICF model that was trained for one epoch on a few synthetic clips."""
import csv
import hashlib
import os
import re
import runpy
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/icf/icf_tiny_synthetic.py'


def tool(name, *arguments):
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, str(ROOT / 'tools' / name), *map(str, arguments)], cwd=ROOT, capture_output=True,
                          text=True, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def rows(text):
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')]
    return {cells[0]: cells[1:] for cells in lines[1:]}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A data root, the output folder of compare_configs, and what it printed."""
    data, out = tmp_path_factory.mktemp('data'), tmp_path_factory.mktemp('compare')
    clips = [row for split, count in (('train', 4), ('val', 2), ('test', 3)) for i in range(count)
             for row in write_clip(ClipJob(str(data), 'ms3', split, i, 0, 64))]
    write_tables(str(data), 'ms3', clips)
    root = data / 'Multi-sources'
    options = [f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
               for key in (f'dataset.data_root={root}', 'num_workers=0', 'persistent_workers=False', 'batch_size=2')]
    options += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'param_scheduler.1.end=1']
    command = ('analysis_tools/compare_configs.py', CONFIG, '--seeds', 3, '--out', out, '--cfg-options', *options)
    return root, out, tool(*command), command


def test_comparison_scores_three_kinds_of_sound(run):
    _, out, printed, command = run
    with open(out / 'results.csv') as file:
        result, = csv.DictReader(file)
    assert result['config'] == 'icf_tiny_synthetic' and result['seed'] == '3'
    shown = rows(printed)['icf_tiny_synthetic']
    assert shown == ['1', *(f'{float(result[c]):.2f}' for c in ('J', 'F', 'shuffled J', 'silent area'))]
    assert 0 <= float(result['silent area']) <= 100
    log = out / 'icf_tiny_synthetic/seed3/output.txt'
    assert 'icf.loss_va' in log.read_text() and re.search(r'seed.{0,6}3', log.read_text())
    before = log.stat().st_mtime_ns
    assert rows(tool(*command))['icf_tiny_synthetic'] == shown  # a finished run is not trained again, and tests repeat exactly
    assert log.stat().st_mtime_ns == before


def test_a_finished_run_with_other_options_is_refused_before_any_training(tmp_path, monkeypatch):
    """The folder of the last of four runs holds one with other options."""
    compare = runpy.run_path(str(ROOT / 'tools/analysis_tools/compare_configs.py'))
    trained = []
    monkeypatch.setitem(compare['main'].__globals__, 'train', lambda *run: trained.append(run))
    folder = tmp_path / 'b/seed1'
    folder.mkdir(parents=True)
    (folder / 'finished').write_text('a.b=2')
    monkeypatch.setattr(sys, 'argv', ['compare_configs.py', 'a.py', 'b.py', '--seeds', '0', '1', '--out', str(tmp_path),
                                      '--cfg-options', 'a.b=3'])
    with pytest.raises(ValueError, match=r'b/seed1 holds a run with --cfg-options a\.b=2, not a\.b=3; give another --out'):
        compare['main']()
    assert not trained


def test_a_finished_run_is_not_trained_again(tmp_path):
    compare = runpy.run_path(str(ROOT / 'tools/analysis_tools/compare_configs.py'))
    (tmp_path / 'finished').write_text('a.b=2 c=1')
    args = Namespace(jobs=1, cfg_options=['c=1', 'a.b=2'])  # the same ones
    compare['check_finished']([tmp_path, tmp_path / 'none'], args)
    compare['train']('no_such_config.py', 0, tmp_path, args)


def test_means_and_spreads_over_seeds():
    summary = runpy.run_path(str(ROOT / 'tools/analysis_tools/compare_configs.py'))['summary']
    runs = [dict(config=c, **{'J': j, 'F': 50., 'shuffled J': j / 2, 'silent area': 0.})
            for c, j in (('a', 70.), ('b', 10.), ('a', 74.))]
    assert summary(runs) == [['a', '2', '72.00 ± 2.83', '50.00 ± 0.00', '36.00 ± 1.41', '0.00 ± 0.00'],
                             ['b', '1', '10.00', '50.00', '5.00', '0.00']]


def checkpoint(out):
    return (out / 'icf_tiny_synthetic/seed3/last_checkpoint').read_text().strip()


def test_probe_measures_the_four_settings(run):
    root, out, *_ = run
    printed = tool('analysis_tools/probe_counterfactual.py', CONFIG, checkpoint(out), '--steps', 3, '--data-root', root)
    found = rows(printed)
    assert set(found) == {f'{a}, {b}' for a in ('rotated', 'factual') for b in ('visual', 'none')}
    assert '4 training and 3 test clips, 3 steps' in printed
    for mse_100, mse_200, start, factual, share in (map(float, cells) for cells in found.values()):
        assert 0.5 < mse_100 < 2 and 0.5 < mse_200 < 2 and abs(start) <= 1 and abs(factual) <= 1 and 0 <= share <= 1
        assert start > 0.9  # a denoiser of three steps leaves its start where it was


def test_retrieval_counts_nearest_neighbours(run):
    root, out, *_ = run
    found = rows(tool('analysis_tools/retrieval.py', CONFIG, checkpoint(out), '--data-root', root))
    assert set(found) == {'true sound', 'sound shuffled between clips'} and all(cells[1] == '33.3' for cells in found.values())
    recall = runpy.run_path(str(ROOT / 'tools/analysis_tools/retrieval.py'))['recall_at_one']
    clips = [torch.eye(8)[i:i + 2] for i in range(4)]
    assert recall(clips, clips) == 100 and recall(clips, clips[1:] + clips[:1]) == 0


def test_published_model_is_the_baseline_s(run, tmp_path):
    _, out, *_ = run
    printed = tool('model_converters/publish_model.py', checkpoint(out), tmp_path / 'icf.pth')
    path, = tmp_path.glob('icf-*.pth')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f'icf-{digest[:8]}.pth' and str(path) in printed
    content = torch.load(path, weights_only=True)
    init_default_scope('mmicf')
    baseline = MODELS.build(Config.fromfile(ROOT / 'configs/icf/baseline_tiny_synthetic.py').model)
    baseline.load_state_dict(content['state_dict'], strict=True)
    assert set(content) == {'meta', 'state_dict'} and 'optimizer' not in content


def test_of_a_run_with_ema_the_averaged_weights_are_published():
    published = runpy.run_path(str(ROOT / 'tools/model_converters/publish_model.py'))['published_state']
    model = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in ('head', 'icf')})
    runner, hook = SimpleNamespace(model=model, iter=0), EMAHook(momentum=0.1)
    hook.before_run(runner)
    for value in (0., 1.):
        for parameter in model.parameters():
            nn.init.constant_(parameter, value)
        hook.after_train_iter(runner, 0)
    content = dict(state_dict=model.state_dict())
    hook.before_save_checkpoint(runner, content)
    assert published(content) == {'head.weight': torch.tensor([[0.1]])}


def test_the_text_is_published_where_the_decoder_reads_it():
    published = runpy.run_path(str(ROOT / 'tools/model_converters/publish_model.py'))['published_state']
    state = {name: torch.zeros(1) for name in ('head.w', 'icf.text.q', 'icf.counterfactual.x')}
    assert set(published(dict(state_dict=state))) == {'head.w'}
    assert set(published(dict(state_dict=state), keep_text=True)) == {'head.w', 'icf.text.q'}
