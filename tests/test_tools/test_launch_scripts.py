"""dist_*.sh and slurm_*.sh: what they start, with a python and an srun that print their arguments."""
import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
SETTINGS = ('NNODES', 'NODE_RANK', 'PORT', 'MASTER_ADDR', 'GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS')


@pytest.fixture
def call(tmp_path):
    """Runs a script; returns (exit status, printed words, error output)."""
    for name in ('python_that_prints', 'srun'):
        (tmp_path / name).write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
        (tmp_path / name).chmod(0o755)

    def run(script, *arguments, **variables):
        env = {key: value for key, value in os.environ.items() if key not in SETTINGS}
        env |= {'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'PYTHON': 'python_that_prints', **variables}
        done = subprocess.run(['bash', str(TOOLS / script), *arguments], env=env, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


@pytest.mark.parametrize(('script', 'arguments', 'tool', 'rest'), [
    ('dist_train.sh', ('c.py', '2', '--amp'), 'train.py', ['c.py', '--amp']),
    ('dist_test.sh', ('c.py', 'x.pth', '2', '--out', 'o'), 'test.py', ['c.py', 'x.pth', '--out', 'o'])])
def test_dist(call, script, arguments, tool, rest):
    code, words, _ = call(script, *arguments, NNODES='4', PORT='1234')
    assert code == 0 and words[:2] == ['-m', 'torch.distributed.run'] and {'--nproc_per_node=2', '--nnodes=4'} <= {*words}
    assert '--master_port=1234' in words
    place = words.index('--launcher')
    assert words[place + 1] == 'pytorch' and words[place + 2:] == rest and (TOOLS / tool).samefile(words[place - 1])


@pytest.mark.parametrize(('script', 'tool', 'rest'), [('slurm_train.sh', 'train.py', ['c.py', '--resume']),
                                                      ('slurm_test.sh', 'test.py', ['c.py', 'x.pth'])])
def test_slurm(call, script, tool, rest):
    code, words, _ = call(script, 'part', 'job', *rest, GPUS='16', SRUN_ARGS='--time=1 --exclusive')
    assert code == 0 and words[:4] == ['-p', 'part', '--job-name=job', '--ntasks=16']
    assert {'--gres=gpu:8', '--ntasks-per-node=8', '--time=1', '--exclusive'} <= {*words}
    place = words.index('--launcher')
    assert words[place + 1] == 'slurm' and words[place + 2:] == rest and (TOOLS / tool).samefile(words[place - 1])
    words = call(script, 'part', 'job', *rest, GPUS_PER_NODE='0')[1]
    assert words and not any(word.startswith(('--gres', '--ntasks-per-node')) for word in words)


@pytest.mark.parametrize(('script', 'needed'), [
    ('dist_train.sh', 2), ('dist_test.sh', 3), ('slurm_train.sh', 3), ('slurm_test.sh', 4)])
def test_too_few_arguments_print_the_usage(call, script, needed):
    code, words, error = call(script, *['x'] * (needed - 1))
    assert code == 2 and not words and error.startswith('usage: ') and f'{script} ' in error
    assert call(script, *['x'] * needed)[0] == 0
