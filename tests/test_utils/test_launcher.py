"""Launchers' environments become torch's; processes without a GPU get a group of their own."""
import functools
import os

import pytest
import torch.distributed as torch_dist
from mmengine.config import Config

from mmicf.utils import launcher


@pytest.fixture
def clean_environment(monkeypatch):
    launchers = [name for name in os.environ if name.startswith(('SLURM_', 'OMPI_COMM_WORLD_'))]
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT', *launchers):
        monkeypatch.setenv(name, 'x')  # so that what the code sets is undone afterwards
        monkeypatch.delenv(name)


@pytest.mark.parametrize('name, variables', [
    ('slurm', dict(SLURM_PROCID='3', SLURM_NTASKS='4', SLURM_LOCALID='1')),
    ('mpi', dict(OMPI_COMM_WORLD_RANK='3', OMPI_COMM_WORLD_SIZE='4', OMPI_COMM_WORLD_LOCAL_RANK='1')),
    ('pytorch', dict(RANK='3', WORLD_SIZE='4', LOCAL_RANK='1')),
])
def test_launcher_variables(clean_environment, monkeypatch, name, variables):
    with pytest.raises(RuntimeError, match=next(iter(variables))):
        launcher._rank_environment(name)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert launcher.rank_and_processes(name) == (3, 4)
    with pytest.raises((RuntimeError, KeyError, FileNotFoundError)):
        launcher._rank_environment(name)  # nobody knows the first node
    monkeypatch.setenv('MASTER_ADDR', 'node0')
    launcher._rank_environment(name)
    assert [os.environ[n] for n in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT')] == ['3', '4', '1', '29500']


def test_without_a_launcher_there_is_one_process():
    assert launcher.rank_and_processes('none') == (0, 1)


def test_cpu_processes_synchronise_no_batch_norm(clean_environment, monkeypatch, tmp_path):
    """Torch's synchronised batch norm refuses CPUs, and mmengine would convert the model's to it."""
    said = []
    monkeypatch.setattr(launcher, 'is_cuda_available', lambda: False)
    monkeypatch.setattr(launcher, 'print_log', lambda message, *_: said.append(message))
    for key, value in dict(RANK=0, WORLD_SIZE=1, LOCAL_RANK=0, MASTER_ADDR='127.0.0.1').items():
        monkeypatch.setenv(key, str(value))
    # A file where processes meet, not a port that another may take meanwhile.
    start = functools.partial(torch_dist.init_process_group, init_method=f'file://{tmp_path}/ranks', rank=0, world_size=1)
    monkeypatch.setattr(torch_dist, 'init_process_group', start)
    synchronised, plain = (Config(dict(launcher='pytorch', sync_bn=kind)) for kind in ('torch', None))
    try:
        for cfg in (synchronised, plain):
            launcher.init_cpu_dist(cfg)
            assert cfg.sync_bn is None and cfg.model_wrapper_cfg.device_ids is None
        assert torch_dist.get_backend() == 'gloo'
    finally:
        torch_dist.destroy_process_group()
    assert 'sync_bn needs GPUs' in said[0] and 'sync_bn' not in said[1]
