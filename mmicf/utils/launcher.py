"""What a job launcher tells its processes, and the process group of those that have no GPU."""
import datetime
import os
import subprocess

import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.device import is_cuda_available
from mmengine.logging import print_log

_LAUNCHER_VARIABLES = {  # what torch reads: where the launcher puts it
    'pytorch': {'RANK': 'RANK', 'WORLD_SIZE': 'WORLD_SIZE', 'LOCAL_RANK': 'LOCAL_RANK'},
    'slurm': {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'},
    'mpi': {'RANK': 'OMPI_COMM_WORLD_RANK', 'WORLD_SIZE': 'OMPI_COMM_WORLD_SIZE',
            'LOCAL_RANK': 'OMPI_COMM_WORLD_LOCAL_RANK'},
}


def rank_and_processes(launcher: str) -> tuple[int, int]:
    """This process' rank and the number of processes that ``launcher`` started, also before there is a process group.

    Raises:
        RuntimeError: the launcher's environment variables are missing.
    """
    if launcher == 'none':
        return 0, 1
    variables = _launcher_variables(launcher)
    return int(variables['RANK']), int(variables['WORLD_SIZE'])


def init_cpu_dist(cfg: Config) -> None:
    """Start a gloo process group for ``cfg.launcher`` and have the model wrapped for CPUs; nothing with a GPU.

    mmengine's ``init_dist`` sets a CUDA device in every case, so the group must exist before the Runner; its default
    wrapper names a device id. ``env_cfg.dist_cfg.timeout`` (seconds) is kept; ``sync_bn`` is taken away, since torch's
    synchronised batch norm refuses CPUs.

    Raises:
        RuntimeError: the launcher's environment variables are missing.
    """
    if cfg.launcher == 'none' or is_cuda_available():
        return
    _rank_environment(cfg.launcher)
    if os.environ['RANK'] == '0':
        each = '; batch norms see the clips of their own process, sync_bn needs GPUs' if cfg.get('sync_bn') else ''
        print_log(f'no GPU is visible to PyTorch: the processes run on CPUs, through gloo{each}', 'current')
    cfg.sync_bn = None
    if not torch_dist.is_initialized():
        timeout = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
        torch_dist.init_process_group(
            'gloo', timeout=None if timeout is None else datetime.timedelta(seconds=timeout))
    wrapper = {'type': 'MMDistributedDataParallel', 'broadcast_buffers': False,
               'find_unused_parameters': cfg.get('find_unused_parameters', False)}
    wrapper.update(cfg.get('model_wrapper_cfg') or {})
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}


def _launcher_variables(launcher: str) -> dict[str, str]:
    """Values of torch's variables as the launcher gives them.

    Raises:
        RuntimeError: some are not set.
    """
    variables = _LAUNCHER_VARIABLES[launcher]
    missing = [name for name in variables.values() if name not in os.environ]
    if missing:
        raise RuntimeError(f'--launcher {launcher}: environment variables {missing} are not set; start this tool with '
                           f'{"torchrun (tools/dist_*.sh)" if launcher == "pytorch" else launcher}')
    return {name: os.environ[source] for name, source in variables.items()}


def _rank_environment(launcher: str) -> None:
    """Translate a launcher's environment variables into those of torch's ``env://`` initialisation."""
    os.environ.update(_launcher_variables(launcher))
    os.environ.setdefault('MASTER_PORT', '29500')
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        hosts = subprocess.run(['scontrol', 'show', 'hostname', os.environ['SLURM_NODELIST']], capture_output=True,
                               text=True, check=True).stdout
        os.environ['MASTER_ADDR'] = hosts.split()[0]
    if 'MASTER_ADDR' not in os.environ:
        raise RuntimeError(f'--launcher {launcher}: MASTER_ADDR is not set; expected the address of the first node')
