"""Published checkpoints of every peer and part find their places; other files are refused."""
import os
import pickle
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import CheckpointMismatchError

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/model_converters/convert_checkpoint.py'
tool = runpy.run_path(str(TOOL))
PEERS = {
    'tpavi_pvt_ms3': 'configs/tpavi/tpavi_pvt_ms3.py',
    'tpavi_pvt_avss': 'configs/tpavi/tpavi_pvt_avss.py',
    'avsegformer_pvt_ms3': 'configs/avsegformer/avsegformer_pvt_ms3.py',
    'avsegformer_pvt_avss': 'configs/avsegformer/avsegformer_pvt_avss.py',
    'combo_pvt_ms3': 'configs/combo/combo_pvt_ms3_released.py',
    'ddeseg_avss': 'configs/ddeseg/ddeseg_mit-released_avss.py',
    'ddeseg_binary': 'configs/ddeseg/ddeseg_mit-released_ms3.py',
}


@pytest.mark.parametrize('name', PEERS)
def test_every_published_tensor_has_its_place(name, published_state):
    kind = name.split('_')[0]
    model = tool['build_on_meta'](str(ROOT / PEERS[name]))
    state = published_state(name)
    vggish = published_state('vggish') if kind == 'tpavi' else None
    placed, unused = tool['convert_model'](kind, model, state, 'in.pth', vggish)
    may_miss = getattr(model, 'converter_may_miss', ())
    missing, unexpected = model.load_state_dict(placed, strict=False, assign=True)
    assert not unexpected and all(name.startswith(may_miss) for name in missing) and bool(missing) == bool(may_miss)
    numbers = sum(v.numel() for v in state.values()) + sum(v.numel() for v in (vggish or {}).values())
    assert numbers == sum(v.numel() for v in placed.values()) + sum(state[key].numel() for key in unused)
    dead = {'tpavi': ('path4.resConfUnit1.', ), 'avsegformer': ('head.fpn.', 'head.attn_fc.'), 'combo': ('criterion.', ),
            'ddeseg': ('backbone.av_aligners.', 'audio_model.head.', 'audio_model.tscam_conv.')}[kind]
    assert unused and all(key.startswith(dead) for key in unused)
    # A file without one tensor, with one too many, or of another shape is refused by name.
    key = next(iter(state))
    for other, found in (({k: v for k, v in state.items() if k != key}, '1 missing'), ({**state, 'head.more': state[key]}, 'more'),
                         ({**state, key: torch.empty(7, device='meta')}, r'found \(7,\)')):
        with pytest.raises(CheckpointMismatchError, match=found):
            tool['convert_model'](kind, model, other, 'in.pth', vggish)


def test_a_bank_of_another_size_is_refused():
    model = tool['build_on_meta'](str(ROOT / PEERS['ddeseg_avss']))
    own = {name: value for name, value in model.state_dict().items() if name.startswith('derivation.memory.')}
    bank = {name: value for name, value in own.items() if name.endswith(('centers', 'features'))}
    assert len(bank) == 2 and tool['checked_memory'](bank, model, 'bank.npy') == bank
    name = next(name for name in bank if name.endswith('features'))
    other = {**bank, name: torch.empty(71, 1, 25, 768, device='meta')}
    with pytest.raises(CheckpointMismatchError, match=r'bank\.npy: found .*features \(71, 1, 25, 768\), expected .*per_cluster'):
        tool['checked_memory'](other, model, 'bank.npy')


def test_a_peer_s_file_is_not_another_s(published_state):
    for name, other in (('tpavi_pvt_ms3', 'combo_pvt_ms3'), ('combo_pvt_ms3', 'tpavi_pvt_ms3'),
                        ('avsegformer_pvt_ms3', 'combo_pvt_ms3')):
        model = tool['build_on_meta'](str(ROOT / PEERS[name]))
        with pytest.raises(CheckpointMismatchError, match='is not'):
            tool['convert_model'](name.split('_')[0], model, published_state(other), 'in.pth')


def test_backbones(published_state):
    model = tool['build_on_meta'](str(ROOT / 'configs/icf/baseline_pvt_ms3.py'))
    for kind, name in (('pvt_v2', 'pvt_v2_b5'), ('vggish', 'vggish')):
        placed, unused = tool['convert_part'](kind, model, published_state(name), 'in.pth')
        model.get_submodule(tool['PARTS'][kind][0]).load_state_dict(placed, strict=True, assign=True)
        assert unused == []
    with pytest.raises(CheckpointMismatchError, match='is not'):
        tool['convert_part']('vggish', model, published_state('pvt_v2_b5'), 'in.pth')
    import torchvision
    with torch.device('meta'):
        published = torchvision.models.resnet50().state_dict()
    model = tool['build_on_meta'](str(ROOT / 'configs/icf/baseline_r50_ms3.py'))
    placed, unused = tool['convert_part']('resnet', model, published, 'in.pth')
    assert unused == ['fc.weight', 'fc.bias'] and len(placed) == len(published) - 2


def test_pixel_decoder_of_a_mask2former(published_state):
    """Detectron2's names as in COMBO's files, mmdet's as ours; input convolutions of other widths are listed, not placed."""
    state = {k: v for k, v in published_state('combo_pvt_ms3').items() if k.startswith('sem_seg_head.')}
    pvt = tool['build_on_meta'](str(ROOT / 'configs/icf/baseline_pvt_ms3.py'))
    placed, unused = tool['convert_part']('mask2former', pvt, state, 'in.pth')
    pvt.decode_head.pixel_decoder.load_state_dict(placed, strict=True, assign=True)
    assert all('pixel_decoder' not in name for name in unused)
    r50 = tool['build_on_meta'](str(ROOT / 'configs/icf/baseline_r50_ms3.py'))
    placed, unused = tool['convert_part']('mask2former', r50, state, 'in.pth')
    kept = {name for name in r50.decode_head.pixel_decoder.state_dict() if not name.endswith('conv.weight')}
    assert kept <= set(placed) and 'input_convs.0.conv.weight (256, 512, 1, 1)' in unused
    mmdet = {f'panoptic_head.pixel_decoder.{k}': v for k, v in r50.decode_head.pixel_decoder.state_dict().items()}
    assert len(tool['convert_part']('mask2former', r50, mmdet, 'in.pth')[0]) == len(mmdet)
    with pytest.raises(CheckpointMismatchError, match='0 tensors of a pixel decoder'):
        tool['convert_part']('mask2former', r50, published_state('vggish'), 'in.pth')


def published_mask2former(published_state, path, core):
    """Writes a file of detectron2's model zoo with random weights of a ResNet-50's widths; its arrays."""
    rng = np.random.default_rng(0)
    prefix = 'sem_seg_head.pixel_decoder.'
    widths = {'input_proj.0.0': 2048, 'input_proj.1.0': 1024, 'input_proj.2.0': 512, 'adapter_1': 256}
    arrays = {'backbone.stem.conv1.norm.running_mean': np.ones(64, 'f4'), 'criterion.empty_weight': np.ones(134, 'f4')}
    for name, value in published_state('combo_pvt_ms3').items():
        if name.startswith(prefix):
            part = name.removeprefix(prefix).removesuffix('.weight')
            shape = (256, widths[part], 1, 1) if part in widths else tuple(value.shape)
            arrays[name] = rng.standard_normal(shape, 'f4')
    content = {'model': arrays, '__author__': 'third_party', 'matching_heuristics': True}
    data = pickle.dumps(content, 2)
    for name in (b'cnumpy.core.', b'cnumpy._core.'):
        data = data.replace(name, b'c' + core)
    path.write_bytes(data)
    return arrays


@pytest.mark.parametrize('core', [b'numpy.core.', b'numpy._core.'])
def test_a_published_mask2former_is_converted(core, published_state, tmp_path, monkeypatch, capsys):
    arrays = published_mask2former(published_state, tmp_path / 'model_final_94dc52.pkl', core)
    config = str(ROOT / 'configs/icf/baseline_r50_ms3.py')
    arguments = ['mask2former', config, str(tmp_path / 'model_final_94dc52.pkl'), str(tmp_path / 'out.pth')]
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments])
    runpy.run_path(str(TOOL), run_name='__main__')
    unused = 'backbone.stem.conv1.norm.running_mean, criterion.empty_weight'
    assert f'2 published tensors have no place: {unused}\n' in capsys.readouterr().out
    placed = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    pixel_decoder = tool['build_on_meta'](config).decode_head.pixel_decoder
    pixel_decoder.load_state_dict(placed, strict=True, assign=True)
    for ours, theirs in (('level_encoding.weight', 'transformer.level_embed'),
                         ('input_convs.0.conv.weight', 'input_proj.0.0.weight'),
                         ('encoder.layers.5.ffn.layers.1.bias', 'transformer.encoder.layers.5.linear2.bias'),
                         ('lateral_convs.0.conv.weight', 'adapter_1.weight'), ('mask_feature.bias', 'mask_features.bias')):
        assert np.array_equal(placed[ours], arrays[f'sem_seg_head.pixel_decoder.{theirs}'])


def test_a_pickle_that_names_a_call_is_refused(tmp_path, monkeypatch):
    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'), )

    (tmp_path / 'evil.pkl').write_bytes(pickle.dumps({'model': {'w': np.ones(2), 'x': Call()}, '__author__': 'x'}, 2))
    config = str(ROOT / 'configs/icf/baseline_r50_ms3.py')
    monkeypatch.setattr(sys, 'argv', [str(TOOL), 'mask2former', config, str(tmp_path / 'evil.pkl'), str(tmp_path / 'out.pth')])
    with pytest.raises(CheckpointMismatchError, match=r'evil\.pkl: .*it asks for posix\.mkdir.*expected a Mask2Former'):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert not (tmp_path / 'ran').exists() and not (tmp_path / 'out.pth').exists()


def published_pvt_name(name):
    """A tensor of ours → the authors' name, written down independently of the code under test."""
    name = name.removeprefix('timm_model.').replace('mlp.dwconv', 'mlp.dwconv.dwconv')
    name = re.sub('^patch_embed', 'patch_embed1', name)
    part = {'downsample': 'patch_embed', 'blocks': 'block', 'norm': 'norm'}
    return re.sub(r'^stages_(\d)\.([a-z]+)', lambda found: f'{part[found[2]]}{int(found[1]) + 1}', name)


BACKBONES = {
    'pvt_v2': ('backbone', dict(type='mmpretrain.TIMMBackbone', model_name='pvt_v2_b0', features_only=True, pretrained=False),
               published_pvt_name),
    'resnet': ('backbone', dict(type='mmseg.ResNet', depth=18), str),
    'vggish': ('audio_backbone', dict(type='VGGish', channels=(8, 8, 8, 8), hidden_dims=16, out_dims=8), str),
    'htsat': ('audio_backbone', dict(type='HTSAT', base_dims=4, depths=(1, 1, 1, 1)), str),
}


@pytest.mark.parametrize('kind', BACKBONES)
def test_a_converted_file_is_loaded(kind, tmp_path, monkeypatch):
    """Through the command line, with weights: what goes in comes out of the part that loads the file."""
    part, backbone, published_name = BACKBONES[kind]
    config = tmp_path / 'small.py'
    config.write_text(f"_base_ = '{ROOT}/configs/icf/baseline_tiny_synthetic.py'\n"
                      f'model = dict({part}=dict(_delete_=True, **{backbone}))\n')
    init_default_scope('mmicf')
    torch.manual_seed(0)
    published = MODELS.build(backbone).state_dict()
    torch.save({published_name(name): value for name, value in published.items()}, tmp_path / 'in.pth')
    monkeypatch.setattr(sys, 'argv', [str(TOOL), kind, str(config), str(tmp_path / 'in.pth'), str(tmp_path / 'out.pth')])
    runpy.run_path(str(TOOL), run_name='__main__')
    torch.manual_seed(1)
    loaded = MODELS.build({**backbone, 'init_cfg': dict(type='Pretrained', checkpoint=str(tmp_path / 'out.pth'))})
    assert not all(torch.equal(v, published[k]) for k, v in loaded.state_dict().items())
    loaded.init_weights()
    assert all(torch.equal(v, published[k]) for k, v in loaded.state_dict().items())
