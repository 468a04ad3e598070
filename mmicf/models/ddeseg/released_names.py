"""Tensor names of the released DDESeg models → names of ``configs/ddeseg/ddeseg_mit-released_*.py``."""
import re
from pathlib import Path

import torch
from torch import Tensor

from ..backbones.official_weights import pvt_v2_name
from .memory_file import load_bank

STAGES = range(4)
# Built by the released code and never used: the first three take no part in the forward pass, the classifier of HTS-AT
# is not needed for embeddings.
UNUSED = (
    *[f'backbone.av_aligners.{i}.{name}.{kind}' for i in STAGES
      for name in ('layer_norm', 'av_cros_interaction.proj', 'va_cros_interaction.proj') for kind in ('weight', 'bias')],
    *[f'audio_model.{name}.{kind}' for name in ('tscam_conv', 'head') for kind in ('weight', 'bias')],
)
DERIVATION = {'edge_fc_s1.0': 'class_edge', 'fusion_s1': 'class_weight', 'offset_s1.0': 'class_offset',
              'edge_fc_s2.0': 'intra_edge', 'fusion_s2': 'intra_weight', 'offset_s2.0': 'intra_offset'}
ALIGNER = {'fc': 'backbone.eliminations.{}.score', 'gumbel_clustering.cluster_centers': 'backbone.eliminations.{}.centers',
           'av_cros_interaction.q_proj': 'backbone.eliminations.{}.attention.query',
           'av_cros_interaction.k_proj': 'backbone.eliminations.{}.attention.key',
           'av_cros_interaction.v_proj': 'backbone.eliminations.{}.attention.value',
           'va_cros_interaction.q_proj': 'backbone.fusions.{}.query', 'va_cros_interaction.k_proj': 'backbone.fusions.{}.key',
           'va_cros_interaction.v_proj': 'backbone.fusions.{}.value'}
HEAD = {**{f'linear_c{i + 1}.proj': f'linears.{i}' for i in STAGES}, 'linear_fuse.conv': 'fuse', 'linear_fuse.bn': 'norm',
        'linear_pred': 'classify'}


def released_name(name: str) -> str | None:
    """Name of a released tensor in our model; None for those of :data:`UNUSED`.

    The memory is not among the released tensors, see :func:`released_memory`.

    Raises:
        ValueError: the released model has no such tensor.

    >>> released_name('backbone.av_aligners.2.fc.weight')
    'backbone.eliminations.2.score.weight'
    """
    if name in UNUSED:
        return None
    part, _, rest = name.partition('.')
    if part == 'audio_model':
        return f'audio_backbone.tower.{rest}'
    if part == 'aud_enhancer':
        return f'derivation.{_renamed(rest, DERIVATION) or _refuse(name)}'
    if part == 'decode_head':
        return f'decode_head.{_renamed(rest, HEAD) or _refuse(name)}'
    if part != 'backbone':
        return _refuse(name)
    aligner = re.fullmatch(r'av_aligners\.([0-3])\.(.+)', rest)
    if aligner:
        return (_renamed(aligner[2], ALIGNER) or _refuse(name)).format(aligner[1])
    projection = re.fullmatch(r'aud_projs\.([0-3])\.fc([12])\.(weight|bias)', rest)
    if projection:
        return f'backbone.audio_projections.{projection[1]}.{2 * int(projection[2]) - 2}.{projection[3]}'
    if re.match(r'(patch_embed|block|norm)[1-4]\.', rest):
        return f'backbone.encoder.timm_model.{pvt_v2_name(rest)}'
    return _refuse(name)


def _renamed(name: str, table: dict[str, str]) -> str | None:
    """``name`` with the leading part that ``table`` knows exchanged; None if it knows none."""
    for old, new in table.items():
        if name == old or name.startswith(old + '.'):
            return new + name[len(old):]
    return None


def _refuse(name: str) -> str:
    raise ValueError(f'{name}: not a tensor of the released DDESeg')


def released_memory(path: str | Path) -> dict[str, Tensor]:
    """The published bank (``1s_k5_feabank.npy``) as the tensors that the released weights lack in our model.

    Raises:
        FileNotFoundError, ValueError: see :func:`load_bank`.
    """
    memory = load_bank(path)
    return {f'derivation.memory.{name}': torch.from_numpy(getattr(memory, name)) for name in ('centers', 'features')}
