"""Tensor names of the released AVSegFormer checkpoints (PVT-v2-B5)."""
from ..backbones.official_weights import pvt_v2_name

# built and saved by the released code, used nowhere
DEAD = ('head.fpn.', 'head.attn_fc.')


def released_name(name: str) -> str | None:
    """Released tensor name → name in an ``AVSegmentor`` with PVTv2, VGGish and :class:`AVSegFormerHead`; None for a dead one.

    >>> released_name('audio_proj.weight'), released_name('head.attn_fc.0.bias')
    ('decode_head.audio_proj.weight', None)

    Raises:
        ValueError: no tensor of a released checkpoint has that name.
    """
    if name.startswith(DEAD):
        return None
    part, _, rest = name.partition('.')
    if part == 'backbone':
        found = pvt_v2_name(rest)
        return None if found is None else f'backbone.timm_model.{found}'
    if part == 'audio_proj':
        return f'decode_head.{name}'
    if part in ('vggish', 'head'):
        return f'{dict(vggish="audio_backbone", head="decode_head")[part]}.{rest}'
    raise ValueError(f'{name!r} is no tensor of AVSegFormer: expected backbone.*, vggish.*, head.* or audio_proj.*')
