"""Names of the published AVSBench checkpoints in an :class:`AVSegmentor` with :class:`TPAVIHead` and PVT-v2."""
import re

from ..backbones.official_weights import pvt_v2_name

# The coarsest fusion block has no finer map to add: these tensors are in the files, and nothing reads them.
_DEAD = 'path4.resConfUnit1.'


def released_name(name: str) -> str | None:
    """Published tensor name → name in the segmentor; None for what the published model never uses.

    >>> released_name('tpavi_b2.W_z.0.weight')
    'decode_head.interactions.1.W_z.0.weight'
    """
    if name.startswith(_DEAD):
        return None
    if name.startswith('encoder_backbone.'):
        inner = pvt_v2_name(name.removeprefix('encoder_backbone.'))
        return None if inner is None else f'backbone.timm_model.{inner}'
    match = re.match(r'(conv|tpavi_b|path)([1-4])\.(.+)', name)
    if match is None:
        return f'decode_head.{name}'
    part = {'conv': 'convs', 'tpavi_b': 'interactions', 'path': 'paths'}[match[1]]
    return f'decode_head.{part}.{int(match[2]) - 1}.{match[3]}'
