"""Published backbone files reach the right tensors of timm's and mmseg's backbones, strictly."""
import pytest
import timm
import torch
import torchvision
from mmengine.registry import init_default_scope

from mmicf.models.backbones.official_weights import pvt_v2_name
from mmicf.registry import MODELS
from mmicf.utils.checkpoint import load_official
from mmicf.utils.strict_loading import CheckpointMismatchError


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmicf')


def official_name(name):
    """timm's classifier model → the authors' names, written down independently of the code under test."""
    parts = name.split('.')
    if parts[0] == 'patch_embed':
        return '.'.join(['patch_embed1', *parts[1:]])
    if parts[0] != 'stages':
        return name
    stage, rest = int(parts[1]) + 1, parts[2:]
    if rest[0] == 'downsample':
        return '.'.join([f'patch_embed{stage}', *rest[1:]])
    if rest[0] == 'norm':
        return '.'.join([f'norm{stage}', *rest[1:]])
    rest = ['dwconv.dwconv' if part == 'dwconv' else part for part in rest]
    return '.'.join([f'block{stage}', *rest[1:]])


@pytest.fixture(scope='module')
def official_pvt(tmp_path_factory):
    """A file with the authors' names, checked by timm's own converter, and the model it stands for."""
    torch.manual_seed(0)
    model = timm.create_model('pvt_v2_b0').eval()
    state = {official_name(name): value for name, value in model.state_dict().items()}
    assert {'patch_embed1.proj.weight', 'block1.0.attn.sr.weight', 'block4.1.mlp.dwconv.dwconv.bias', 'norm4.weight',
            'head.weight'} <= set(state)
    back = timm.models.pvt_v2.checkpoint_filter_fn(dict(state), model)
    assert list(back) == list(model.state_dict())
    path = tmp_path_factory.mktemp('pvt') / 'pvt_v2_b0.pth'
    torch.save(state, path)
    return path, model


def build_pvt(path):
    return MODELS.build(dict(type='mmpretrain.TIMMBackbone', model_name='pvt_v2_b0', features_only=True,
                             init_cfg=dict(type='OfficialPVTv2Init', checkpoint=str(path))))


def test_pvt_gives_the_features_of_the_published_model(official_pvt):
    path, reference = official_pvt
    backbone = build_pvt(path)
    backbone.eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(backbone(x)[0], reference.forward_intermediates(x)[1][0])
        backbone.init_weights()
        maps = backbone(x)
        expected = reference.forward_intermediates(x)[1]
    assert [m.shape[1] for m in maps] == [32, 64, 160, 256]
    for found, wanted in zip(maps, expected, strict=True):
        assert torch.equal(found, wanted)


def test_every_official_name_is_mapped_once(official_pvt):
    path, _ = official_pvt
    names = [pvt_v2_name(name) for name in torch.load(path, weights_only=True)]
    assert sorted(n for n in names if n is not None) == sorted(build_pvt(path).timm_model.state_dict())
    assert names.count(None) == 2


def test_missing_file_tells_where_it_is_published(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'absent\.pth.*pvt_v2_b5\.pth.*whai362/PVT.*AVSBench'):
        build_pvt(tmp_path / 'absent.pth').init_weights()


def test_other_size_is_refused(tmp_path):
    state = {official_name(n): v for n, v in timm.create_model('pvt_v2_b1').state_dict().items()}
    torch.save(state, tmp_path / 'b1.pth')
    with pytest.raises(CheckpointMismatchError, match=r'b1\.pth.*found \(64, 3, 7, 7\), expected \(32, 3, 7, 7\)'):
        build_pvt(tmp_path / 'b1.pth').init_weights()


@pytest.mark.parametrize('kind', ['ResNet', 'mmpretrain.ResNet'])
def test_torchvision_resnet(tmp_path, kind):
    reference = torchvision.models.resnet50().eval()
    state = {n: torch.rand_like(v) + 0.5 if 'running' in n else v for n, v in reference.state_dict().items()}
    reference.load_state_dict(state)
    # the file resnet50-19c8e357.pth is older than num_batches_tracked
    torch.save({n: v for n, v in state.items() if not n.endswith('num_batches_tracked')}, tmp_path / 'r50.pth')
    backbone = MODELS.build(dict(type=kind, depth=50, norm_eval=True, out_indices=(0, 1, 2, 3),
                                 init_cfg=dict(type='OfficialResNetInit', checkpoint=str(tmp_path / 'r50.pth'))))
    backbone.init_weights()
    backbone.eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found = backbone(x)[-1]
        trunk = torch.nn.Sequential(*list(reference.children())[:-2])
        assert torch.allclose(found, trunk(x), rtol=1e-4, atol=1e-5)


def test_a_stray_tensor_is_an_error(tmp_path):
    module = torch.nn.Linear(2, 3)
    torch.save(dict(model=dict(module.state_dict(), other=torch.zeros(1))), tmp_path / 'x.pth')
    with pytest.raises(CheckpointMismatchError, match=r'unexpected keys: 1 \(other\).*a file of mine'):
        load_official(module, tmp_path / 'x.pth', published='a file of mine')
