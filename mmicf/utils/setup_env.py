"""What the command line tools share: registration, config overrides, and process groups on machines without a GPU."""
import argparse
import datetime
import os
import subprocess
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as torch_dist
from mmengine.config import Config, DictAction
from mmengine.device import is_cuda_available
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from .checkpoint import use_safe_loading

_PACKAGES = ('datasets', 'engine', 'evaluation', 'models', 'visualization')


def register_all_modules(init_scope: bool = True) -> None:
    """Import everything that registers itself, and make ``mmicf`` the default scope unless ``init_scope`` is False.

    The tools do not need it (registries know their locations); scripts and notebooks that build parts by hand do.
    """
    for name in _PACKAGES:
        import_module(f'mmicf.{name}')
    if init_scope:
        init_default_scope('mmicf')


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that ``tools/train.py`` and ``tools/test.py`` have in common."""
    parser.add_argument('--work-dir', help='logs and checkpoints; default work_dirs/<config name>')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='overrides, key.subkey=value; lists as key="[a,b]" without spaces')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by older launchers')


def load_run_config(args: argparse.Namespace) -> Config:
    """The config of a run with the command line's overrides, ready for ``Runner.from_cfg``.

    Local checkpoints are read without full unpickling from here on, and a process group exists if the launcher asks for
    one on a machine without a GPU.

    Raises:
        FileNotFoundError: no such config.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'no config at {args.config}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    use_safe_loading()
    init_cpu_dist(cfg)
    return cfg


def checkpoint_check(cfg: Config, *, strict: bool) -> None:
    """Give the config one ``CheckpointCheckHook`` of this strictness."""
    hooks = [h for h in cfg.get('custom_hooks') or [] if h['type'].removeprefix('mmicf.') != 'CheckpointCheckHook']
    cfg.custom_hooks = [*hooks, {'type': 'mmicf.CheckpointCheckHook', 'strict': strict}]


def drop_training_parts(cfg: Config) -> None:
    """Leave out of the model what only training runs (``icf``), so that a test needs neither its weights nor its packages.

    Where the decoder reads ICF's text, what makes the text stays.
    """
    icf = cfg.get('model', {}).get('icf')
    if icf is not None and icf.get('text_in_decoder', False):
        icf.update(counterfactual=None, contrast=None)
    elif icf is not None:
        cfg.model.icf = None


def silent_pipeline(pipeline: list) -> list:
    """A data pipeline whose loaded waveform is set to zero, ahead of the audio front end.

    Raises:
        ValueError: it loads no waveform.
    """
    names = [step['type'].removeprefix('mmicf.') for step in pipeline]
    if 'LoadAudio' not in names:
        raise ValueError(f'silence needs a pipeline that loads waveforms (LoadAudio), found {names}; stored log-mel files '
                         'cannot be silenced')
    place = names.index('LoadAudio') + 1
    return [*pipeline[:place], dict(type='mmicf.SilenceAudio'), *pipeline[place:]]


def init_cpu_dist(cfg: Config) -> None:
    """Start a gloo process group for ``cfg.launcher`` and have the model wrapped for CPUs; nothing with a GPU.

    mmengine's ``init_dist`` sets a CUDA device in every case, so the group must exist before the Runner; its default
    wrapper names a device id. ``env_cfg.dist_cfg.timeout`` (seconds) is kept.

    Raises:
        RuntimeError: the launcher's environment variables are missing.
    """
    if cfg.launcher == 'none' or is_cuda_available():
        return
    _rank_environment(cfg.launcher)
    if os.environ.get('RANK') == '0':
        print_log('no GPU is visible to PyTorch: the processes run on CPUs, through gloo', 'current')
    if not torch_dist.is_initialized():
        timeout = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
        torch_dist.init_process_group(
            'gloo', timeout=None if timeout is None else datetime.timedelta(seconds=timeout))
    wrapper = {'type': 'MMDistributedDataParallel', 'broadcast_buffers': False,
               'find_unused_parameters': cfg.get('find_unused_parameters', False)}
    wrapper.update(cfg.get('model_wrapper_cfg') or {})
    cfg.model_wrapper_cfg = {**wrapper, 'device_ids': None}


_LAUNCHER_VARIABLES = {  # what torch reads: where the launcher puts it
    'pytorch': {'RANK': 'RANK', 'WORLD_SIZE': 'WORLD_SIZE', 'LOCAL_RANK': 'LOCAL_RANK'},
    'slurm': {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'},
    'mpi': {'RANK': 'OMPI_COMM_WORLD_RANK', 'WORLD_SIZE': 'OMPI_COMM_WORLD_SIZE',
            'LOCAL_RANK': 'OMPI_COMM_WORLD_LOCAL_RANK'},
}


def _rank_environment(launcher: str) -> None:
    """Translate a launcher's environment variables into those of torch's ``env://`` initialisation."""
    variables = _LAUNCHER_VARIABLES[launcher]
    missing = [name for name in variables.values() if name not in os.environ]
    if missing:
        raise RuntimeError(f'--launcher {launcher}: environment variables {missing} are not set; start this tool with '
                           f'{"torchrun (tools/dist_*.sh)" if launcher == "pytorch" else launcher}')
    for name, source in variables.items():
        os.environ[name] = os.environ[source]
    os.environ.setdefault('MASTER_PORT', '29500')
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        hosts = subprocess.run(['scontrol', 'show', 'hostname', os.environ['SLURM_NODELIST']], capture_output=True,
                               text=True, check=True).stdout
        os.environ['MASTER_ADDR'] = hosts.split()[0]
    if 'MASTER_ADDR' not in os.environ:
        raise RuntimeError(f'--launcher {launcher}: MASTER_ADDR is not set; expected the address of the first node')


def amp_optim_wrapper(cfg: Config) -> None:
    """Turn ``cfg.optim_wrapper`` into its mixed-precision form: bfloat16 where the device has it, else float16.

    On a CPU that is ``AutocastOptimWrapper``, on a GPU mmengine's ``AmpOptimWrapper``.

    Raises:
        ValueError: the config uses another wrapper than the plain one.
    """
    found = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if found in ('AmpOptimWrapper', 'AutocastOptimWrapper', 'mmicf.AutocastOptimWrapper'):
        return
    if found != 'OptimWrapper':
        raise ValueError(f'--amp needs optim_wrapper.type OptimWrapper, found {found}')
    if is_cuda_available():
        dtype = 'bfloat16' if torch.cuda.is_bf16_supported(including_emulation=False) else 'float16'
        cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype=dtype, loss_scale='dynamic')
    else:
        cfg.optim_wrapper.type = 'mmicf.AutocastOptimWrapper'
