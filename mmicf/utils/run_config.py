"""The config of a run as the command line makes it, and the changes to it that tools share."""
import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.device import is_cuda_available

from .checkpoint import use_safe_loading
from .heap import keep_freed_memory
from .launcher import init_cpu_dist
from .type_name import type_name


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that ``tools/train.py`` and ``tools/test.py`` have in common."""
    parser.add_argument('--work-dir', help='logs and checkpoints; default work_dirs/<config name>, for a test `test` in it')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='overrides, key.subkey=value; lists as key="[a,b]" without spaces')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by older launchers')


def load_run_config(args: argparse.Namespace, *, subfolder: str = '') -> Config:
    """The config of a run with the command line's overrides, ready for ``Runner.from_cfg``.

    Local checkpoints are read without full unpickling from here on, on a machine without a GPU freed memory is kept for the next
    step (:func:`keep_freed_memory`), and a process group exists there if the launcher asks for one.

    Args:
        args: of a parser with :func:`add_run_arguments` and ``config``.
        subfolder: of the config's (or default) work dir, unless ``--work-dir`` names one. The Runner writes the config into
            its work dir: a test's would replace the training's.

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
    default = Path(cfg.get('work_dir') or f'work_dirs/{Path(args.config).stem}', subfolder)
    cfg.work_dir = str(default) if args.work_dir is None else args.work_dir
    use_safe_loading()
    keep_freed_memory()
    init_cpu_dist(cfg)
    return cfg


def checkpoint_check(cfg: Config, *, strict: bool) -> None:
    """Give the config one ``CheckpointCheckHook`` of this strictness."""
    hooks = [h for h in cfg.get('custom_hooks') or [] if type_name(h) != 'CheckpointCheckHook']
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
    names = [type_name(step) for step in pipeline]
    if 'LoadAudio' not in names:
        raise ValueError(f'silence needs a pipeline that loads waveforms (LoadAudio), found {names}; stored log-mel files '
                         'cannot be silenced')
    place = names.index('LoadAudio') + 1
    return [*pipeline[:place], dict(type='mmicf.SilenceAudio'), *pipeline[place:]]


def amp_optim_wrapper(cfg: Config) -> None:
    """Turn ``cfg.optim_wrapper`` into its mixed-precision form: bfloat16 where the device has it, else float16.

    On a CPU that is ``AutocastOptimWrapper``, on a GPU mmengine's ``AmpOptimWrapper``.

    Raises:
        ValueError: the config uses another wrapper than the plain one.
    """
    found = type_name(cfg.optim_wrapper) or 'OptimWrapper'
    if found in ('AmpOptimWrapper', 'AutocastOptimWrapper'):
        return
    if found != 'OptimWrapper':
        raise ValueError(f'--amp needs optim_wrapper.type OptimWrapper, found {found}')
    if is_cuda_available():
        dtype = 'bfloat16' if torch.cuda.is_bf16_supported(including_emulation=False) else 'float16'
        cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype=dtype, loss_scale='dynamic')
    else:
        cfg.optim_wrapper.type = 'mmicf.AutocastOptimWrapper'
