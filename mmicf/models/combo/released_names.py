"""Names of the published COMBO checkpoints in :class:`COMBO` with :class:`COMBOHead` and two PVT-v2."""
import re

from ..backbones.official_weights import pvt_v2_name

# The weights of the classes in the loss: an option here (no_object_weight).
_DEAD = 'criterion.'
_FUSION = {
    'level_embed.weight': 'level_embed.weight', 'audio_pos.weight': 'audio_pos.weight', 'b_attn.gamma_a': 'gamma_a',
    'b_attn.gamma_v_list.0': 'gamma_v', 'b_attn.layer_norm_v_list.0': 'norm_v', 'b_attn.layer_norm_a_list.0': 'norm_a'
}
_DECODER_LAYERS = {
    'transformer_cross_attention_layers': ('cross_attn', 0), 'transformer_self_attention_layers': ('self_attn', 1),
    'transformer_ffn_layers': ('ffn', 2)
}


def pixel_decoder_name(name: str) -> str:
    """Name in detectron2's Mask2Former pixel decoder → name in :class:`MSDeformAttnPixelDecoder` (mmdet's).

    >>> pixel_decoder_name('transformer.encoder.layers.3.linear2.bias')
    'encoder.layers.3.ffn.layers.1.bias'
    """
    for pattern, new in ((r'input_proj\.(\d)\.0\.', r'input_convs.\1.conv.'), (r'input_proj\.(\d)\.1\.', r'input_convs.\1.gn.'),
                         (r'adapter_1\.norm\.', 'lateral_convs.0.gn.'), (r'adapter_1\.', 'lateral_convs.0.conv.'),
                         (r'layer_1\.norm\.', 'output_convs.0.gn.'), (r'layer_1\.', 'output_convs.0.conv.'),
                         (r'mask_features\.', 'mask_feature.'), (r'transformer\.level_embed$', 'level_encoding.weight')):
        if re.match(pattern, name):
            return re.sub('^' + pattern, new, name)
    name = name.removeprefix('transformer.')
    for pattern, new in ((r'\.norm1\.', '.norms.0.'), (r'\.norm2\.', '.norms.1.'), (r'\.linear1\.', '.ffn.layers.0.0.'),
                         (r'\.linear2\.', '.ffn.layers.1.')):
        name = re.sub(pattern, new, name)
    return name


def _decoder_names(name: str) -> list[str]:
    """Name below ``sem_seg_head.predictor`` → names below the head; three for the stacked projections of an attention."""
    if name.split('.')[0] in ('query_feat', 'query_embed', 'level_embed'):
        return [f'decoder.{name}']
    if name.startswith('decoder_norm.'):
        return [name.replace('decoder_norm', 'query_norm')]
    if name.startswith('class_embed.'):
        return [name.replace('class_embed', 'cls_embed')]
    if name.startswith('mask_embed.layers.'):
        index, kind = name.split('.')[2:]
        return [f'mask_embed.{2 * int(index)}.{kind}']
    part, index, rest = name.split('.', 2)
    ours, norm = _DECODER_LAYERS[part]
    layer = f'decoder.layers.{index}'
    if rest.startswith('norm.'):
        return [f'{layer}.norms.{norm}.{rest.removeprefix("norm.")}']
    if rest.startswith('linear'):
        number, kind = rest.removeprefix('linear').split('.')
        return [f'{layer}.ffn.{2 * (int(number) - 1)}.{kind}']
    rest = rest.split('.', 1)[1]
    if rest.startswith('in_proj_'):
        return [f'{layer}.{ours}.{which}.{rest.removeprefix("in_proj_")}' for which in ('query', 'key', 'value')]
    return [f'{layer}.{ours}.{rest.replace("out_proj", "out")}']


def released_name(name: str) -> list[str]:
    """Published tensor name → names in the segmentor, of the tensor's equal parts along its first dimension; [] if unused."""
    if name.startswith(_DEAD):
        return []
    for old, new in (('backbone.', 'backbone'), ('pre_sam_backbone.', 'maskige_backbone')):
        if name.startswith(old):
            inner = pvt_v2_name(name.removeprefix(old))
            return [] if inner is None else [f'{new}.timm_model.{inner}']
    if name.startswith('scale_factor_module.'):
        return [name.replace('scale_factor_module', 'maskige_gates')]
    if name.startswith('audio_backbone.'):
        return [name]
    name = name.removeprefix('sem_seg_head.')
    part, rest = name.split('.', 1)
    if part == 'pixel_decoder':
        return [f'decode_head.pixel_decoder.{pixel_decoder_name(rest)}']
    if part == 'fusion_module':
        for old, new in _FUSION.items():
            if rest.startswith(old):
                return [f'decode_head.fusion.{rest.replace(old, new)}']
        return [f'decode_head.fusion.{rest.removeprefix("b_attn.attn_list.0.")}']
    if part == 'audio_transformation':
        return [f'decode_head.audio_mlp.{rest.removeprefix("embeddings.")}']
    if part == 'predictor':
        return [f'decode_head.{x}' for x in _decoder_names(rest)]
    return [name]
