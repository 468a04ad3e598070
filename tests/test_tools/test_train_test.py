"""The command line tools themselves, on the toy model: one process, two processes, resume, test."""
import itertools
import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmicf.utils.strict_loading import CheckpointMismatchError

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TOY = ROOT / 'tests/test_engine'


def environment():
    path = os.pathsep.join([str(ROOT), str(TOY), os.environ.get('PYTHONPATH', '')])
    bin_dir = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    return {**os.environ, 'PYTHONPATH': path, 'PATH': bin_dir, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}


def call(*command):
    """Runs a script that starts ranks, again if somebody else took its port in the meantime."""
    for _ in range(3):
        done = subprocess.run([str(c) for c in command], cwd=ROOT, env={**environment(), 'PORT': free_port()}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 0 or 'EADDRINUSE' not in done.stdout:
            break
    assert done.returncode == 0, done.stdout[-4000:]


_count = itertools.count()


def main(tool, *arguments):
    """The tool's main function in this process: importing mmseg anew costs seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('LOCAL_RANK', '0')
        patch.setattr(Runner, '_log_env', lambda *_: None)  # asks compilers for their versions
        patch.setattr(sys, 'argv', [tool, *map(str, arguments), '--cfg-options', f'experiment_name=toy{next(_count)}'])
        runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


@pytest.fixture(scope='module')
def toy_config(tmp_path_factory):
    sys.path.insert(0, str(TOY))
    try:
        from toy_training import config, loader
    finally:
        sys.path.remove(str(TOY))
    val = loader(2, length=7, shuffle=False)
    changes = dict(model=dict(type='ToySegmentor', dropout=0.), train_cfg=dict(type='ResumableEpochTrainLoop', max_epochs=2),
                   val_dataloader=val, val_cfg=dict(), val_evaluator=dict(type='ToyMetric'), test_dataloader=val,
                   test_cfg=dict(), test_evaluator=dict(type='ToyMetric'), custom_imports=dict(imports=['toy_training']))
    path = tmp_path_factory.mktemp('config') / 'toy.py'
    Config(config('unused', **changes)).dump(path)
    return path


@pytest.fixture(scope='module')
def one_process(toy_config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('one')
    main('train.py', toy_config, '--work-dir', work_dir)
    return work_dir


@pytest.fixture(scope='module')
def two_processes(toy_config, tmp_path_factory):
    """Half the batch on each of two ranks."""
    work_dir = tmp_path_factory.mktemp('two')
    call('bash', 'tools/dist_train.sh', toy_config, 2, '--work-dir', work_dir, '--cfg-options',
         'train_dataloader.batch_size=2')
    return work_dir


def logged(work_dir):
    files = list(work_dir.glob('*/vis_data/scalars.json'))
    assert len(files) == 1
    return [json.loads(line) for line in files[0].read_text().splitlines()]


def test_two_ranks_log_and_reach_what_one_process_does(one_process, two_processes):
    one, two = logged(one_process), logged(two_processes)
    assert len(one) == len(two) == 10 + 2  # iterations and validations
    for a, b in zip(one, two, strict=True):
        for name in {'loss', 'loss_fit', 'loss_small', 'lr', 'JF'} & {*a, *b}:
            assert a[name] == pytest.approx(b[name], rel=2e-5), (name, a, b)
    assert len({line['loss'] for line in one if 'loss' in line}) == 10
    weights = [torch.load(d / 'iter_10.pth', weights_only=False)['state_dict'] for d in (one_process, two_processes)]
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-4, atol=1e-6)


def test_resume_from_a_file_continues_exactly(toy_config, one_process, tmp_path):
    main('train.py', toy_config, '--work-dir', tmp_path, '--resume', one_process / 'iter_4.pth')
    whole, resumed = (torch.load(d / 'iter_10.pth', weights_only=False)['state_dict'] for d in (one_process, tmp_path))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_dist_test_gives_the_metric_of_one_process(toy_config, one_process, tmp_path):
    checkpoint = one_process / 'iter_10.pth'
    main('test.py', toy_config, checkpoint, '--work-dir', tmp_path / 'one')
    call('bash', 'tools/dist_test.sh', toy_config, checkpoint, 2, '--work-dir', tmp_path / 'two')
    one, two = (json.loads(next((tmp_path / d).glob('*/*.json')).read_text())['JF'] for d in ('one', 'two'))
    assert one == pytest.approx(two, rel=1e-6) and one != 0


def test_a_test_leaves_the_training_s_config_alone(toy_config, tmp_path, monkeypatch):
    """Also if it is given that config, which names the training's work dir."""
    monkeypatch.chdir(tmp_path)
    main('train.py', toy_config)
    written = Path(Config.fromfile(toy_config).work_dir, 'toy.py')
    before = written.read_text()
    for config in (toy_config, written):
        main('test.py', config, written.with_name('iter_10.pth'))
        assert written.read_text() == before
        [result] = written.parent.glob('test/*/*.json')
        shutil.rmtree(result.parent)  # folders are named by the second; the next test may begin within it


def test_checkpoint_of_another_model_is_refused(toy_config, one_process, tmp_path):
    checkpoint = torch.load(one_process / 'iter_10.pth', weights_only=False)
    del checkpoint['state_dict']['decode_head.weight']
    torch.save(checkpoint, tmp_path / 'other.pth')
    with pytest.raises(CheckpointMismatchError, match=r'other\.pth(?s:.*)missing: decode_head\.weight'):
        main('test.py', toy_config, tmp_path / 'other.pth', '--work-dir', tmp_path)
