#!/usr/bin/env python
"""Turns a published checkpoint into one of ours. Every tensor must find its place, else the file is refused.

Whole models (the result is tested with ``tools/test.py CONFIG OUT``):

    convert_checkpoint.py tpavi configs/tpavi/tpavi_pvt_ms3.py IN OUT --vggish vggish-10086976.pth
    convert_checkpoint.py avsegformer | combo CONFIG IN OUT
    convert_checkpoint.py ddeseg configs/ddeseg/ddeseg_mit-released_avss.py IN OUT --bank 1s_k5_feabank.npy

Parts of models (the result is loaded by ``init_cfg=dict(type='Pretrained', checkpoint=OUT)`` of that part):

    convert_checkpoint.py pvt_v2 | resnet | vggish | htsat | mask2former CONFIG IN OUT

``mask2former`` takes the pixel decoder out of a COCO or ADE Mask2Former of detectron2 (``model_final_*.pkl``, read without running
code from it) or mmdet; its input convolutions fit only where the backbone has the same widths, and what does not fit is listed and
left out.
"""
import argparse
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmicf.models.audio_backbones.htsat import HTSAT_CONSTANTS, htsat_state
from mmicf.models.backbones.official_weights import PVT_PUBLISHED, RESNET_PUBLISHED, pvt_v2_name
from mmicf.models.combo.released_names import pixel_decoder_name
from mmicf.models.ddeseg.released_names import released_memory
from mmicf.registry import MODELS
from mmicf.utils.checkpoint import model_state
from mmicf.utils.conversion import place, rename
from mmicf.utils.strict_loading import CheckpointMismatchError, read_checkpoint, some_names

MODELS_OF_PEERS = {
    'tpavi': "a TPAVI model of AVSBench (PVT-v2), published with its code on Google Drive",
    'avsegformer': "an AVSegFormer model (PVT-v2), published with its code",
    'combo': "a COMBO model (PVT-v2) in PyTorch's format, published as YannQi/COMBO-AVS-checkpoints",
    'ddeseg': "a DDESeg model, published as the dataset repository Yenan/DDESeg",
}
PARTS = {
    'pvt_v2': ('backbone', PVT_PUBLISHED, lambda name: (own := pvt_v2_name(name)) and f'timm_model.{own}'),
    'resnet': ('backbone', RESNET_PUBLISHED, lambda name: None if name.startswith('fc.') else name),
    'vggish': ('audio_backbone', 'vggish-10086976.pth', lambda name: name),
    'htsat': ('audio_backbone', 'an HTS-AT of AudioSet, DDESeg or LAION-CLAP', lambda name: name),
    'mask2former': ('decode_head.pixel_decoder', 'a Mask2Former of detectron2 or mmdet', None),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kind', choices=[*MODELS_OF_PEERS, *PARTS])
    parser.add_argument('config', help='config whose model takes the weights')
    parser.add_argument('checkpoint', help='published file')
    parser.add_argument('out', help='file to write')
    parser.add_argument('--vggish', help='vggish-10086976.pth, for files that hold no audio backbone (TPAVI)')
    parser.add_argument('--bank', help='1s_k5_feabank.npy, the memory that DDESeg files lack')
    args = parser.parse_args()
    for kind, option in (('tpavi', 'vggish'), ('ddeseg', 'bank')):
        if (args.kind == kind) != (getattr(args, option) is not None):
            parser.error(f'--{option} belongs to {kind}, which needs it')
    return args


def build_on_meta(config: str) -> nn.Module:
    """The config's model without memory for its weights."""
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmicf'))
    with torch.device('meta'):
        return MODELS.build({name: part for name, part in cfg.model.items() if name != 'icf'})


def convert_model(kind: str, model: nn.Module, state: Mapping[str, Tensor], path: str,
                  vggish: Mapping[str, Tensor] | None = None) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the whole model, and the published names that nothing reads.

    Raises:
        CheckpointMismatchError: the file is not what it says.
    """
    try:
        conversion = rename(state, importlib.import_module(f'mmicf.models.{kind}.released_names').released_name)
    except (ValueError, KeyError, IndexError) as error:  # a name that the map was not made for
        raise CheckpointMismatchError(f'{path} is not {MODELS_OF_PEERS[kind]}: {error}') from error
    if vggish is not None:
        conversion.state.update({f'audio_backbone.{name}': value for name, value in vggish.items()})
    # Not in the published files: buffers that our model computes for itself or builds with a tool.
    own_buffers = tuple(getattr(model, 'converter_may_miss', ()))
    placed = place(conversion, model.state_dict(), path=path, what=MODELS_OF_PEERS[kind], may_miss=own_buffers)
    return placed, conversion.unused


def convert_part(kind: str, model: nn.Module, state: Mapping[str, Tensor], path: str) -> tuple[dict[str, Tensor], list[str]]:
    """As :func:`convert_model` for one part, under the part's own names.

    Raises:
        CheckpointMismatchError: the file is not what it says.
    """
    prefix, what, name_of = PARTS[kind]
    own = model.get_submodule(prefix).state_dict()
    if kind == 'mask2former':
        return _pixel_decoder(state, own, path, what)
    if kind == 'htsat':  # constants of the architecture are not weights, and some files leave them out
        state = {f'tower.{name}': value for name, value in htsat_state(state, path=path, published=what).items()}
        state, own = ({k: v for k, v in x.items() if not k.endswith(HTSAT_CONSTANTS)} for x in (state, own))
    conversion = rename(state, name_of)
    return place(conversion, own, path=path, what=what), conversion.unused


def _pixel_decoder(state: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str, what: str) -> tuple[dict, list[str]]:
    name_of: Callable[[str], str] = pixel_decoder_name
    inside = {name.split('pixel_decoder.', 1)[1]: value for name, value in state.items() if 'pixel_decoder.' in name}
    if any(name.startswith('encoder.layers') for name in inside):  # mmdet's names are ours
        name_of = str
    conversion = rename(inside, name_of)
    fits = {name: value for name, value in conversion.state.items() if name in own and value.shape == own[name].shape}
    needed = [name for name in own if name not in fits and name.split('.')[0] not in ('input_convs', 'lateral_convs')]
    if not inside or needed:
        raise CheckpointMismatchError(f'{path} is not {what}: {len(inside)} tensors of a pixel decoder, '
                                      f'missing {len(needed)}: {some_names(needed)}')
    other = [f'{name} {tuple(value.shape)}' for name, value in conversion.state.items() if name not in fits]
    return fits, [name for name in state if 'pixel_decoder.' not in name] + other


def checked_memory(memory: Mapping[str, Tensor], model: nn.Module, path: str) -> dict[str, Tensor]:
    """The memory of a bank, if the config's model has room for just this one.

    Raises:
        CheckpointMismatchError: it has another shape.
    """
    own = model.state_dict()
    for name, value in memory.items():
        if value.shape != own[name].shape:
            raise CheckpointMismatchError(f'{path}: found {name} {tuple(value.shape)}, expected {tuple(own[name].shape)}; '
                                          'give a config with the per_cluster of this bank')
    return dict(memory)


def main() -> None:
    args = parse_args()
    what = MODELS_OF_PEERS.get(args.kind) or PARTS[args.kind][1]
    content = read_checkpoint(args.checkpoint, published=what)
    state = model_state(content['model'] if isinstance(content.get('model'), Mapping) else content)
    model = build_on_meta(args.config)
    if args.kind in PARTS:
        placed, unused = convert_part(args.kind, model, state, args.checkpoint)
    else:
        vggish = read_checkpoint(args.vggish, published='vggish-10086976.pth') if args.vggish else None
        placed, unused = convert_model(args.kind, model, state, args.checkpoint, vggish)
        if args.bank:
            placed.update(checked_memory(released_memory(args.bank), model, args.bank))
        if args.kind == 'combo' and not model.decode_head.decoder.released:
            print(f'{args.config} gives each frame its own sound; the published weights learned otherwise: test them with '
                  'configs/combo/combo_pvt_*_released.py')
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict={name: value.clone() for name, value in placed.items()}), args.out)
    print(f'{args.out}: {len(placed)} tensors, {sum(v.numel() for v in placed.values()) / 1e6:.3f} M numbers')
    if unused:
        print(f'{len(unused)} published tensors have no place: {", ".join(unused)}')


if __name__ == '__main__':
    main()
