"""The released network: every published tensor has its place, and the model its published size."""
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmicf.models.ddeseg.released_names import UNUSED, released_memory, released_name
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope='module')
def model():
    """The released AVSS model without memory for its weights, HTS-AT aside."""
    init_default_scope('mmicf')
    cfg = Config.fromfile(ROOT / 'configs/ddeseg/ddeseg_mit-released_avss.py').model
    with torch.device('meta'):
        return MODELS.build(cfg)


def test_every_published_tensor_has_its_place(model, published_state, tmp_path):
    published = published_state('ddeseg_avss')
    state = {released_name(name): value for name, value in published.items() if name not in UNUSED}
    assert len(state) + len(UNUSED) == len(published) and all(released_name(name) is None for name in UNUSED)
    assert len([name for name in UNUSED if name.startswith('backbone')]) == 24  # trainable without gradient
    np.save(tmp_path / 'bank.npy', np.zeros((71, 5, 768), np.float32))
    state.update(released_memory(tmp_path / 'bank.npy'))
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {name: tuple(value.shape) for name, value in state.items()} == shapes
    copy.deepcopy(model).load_state_dict(state, strict=True, assign=True)


def test_tensors_that_need_care():
    assert released_name('decode_head.linear_c4.proj.weight') == 'decode_head.linears.3.weight'
    assert released_name('backbone.patch_embed1.proj.weight') == 'backbone.encoder.timm_model.patch_embed.proj.weight'
    assert released_name('backbone.aud_projs.1.fc2.bias') == 'backbone.audio_projections.1.2.bias'
    for name in ('fc.weight', 'backbone.fc.weight', 'aud_enhancer.x.weight', 'decode_head.linear_c5.proj.weight',
                 'backbone.av_aligners.0.more.weight'):
        with pytest.raises(ValueError, match='not a tensor of the released DDESeg'):
            released_name(name)


def test_bank_file_is_checked(tmp_path):
    with pytest.raises(FileNotFoundError, match='1s_k5_feabank'):
        released_memory(tmp_path / 'none.npy')
    np.save(tmp_path / 'bad.npy', np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match=r'bad\.npy: .*\(3, 4\), expected \(71, M, d\)'):
        released_memory(tmp_path / 'bad.npy')
    np.save(tmp_path / 'objects.npy', np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r'objects\.npy: no bank of DDESeg'):
        released_memory(tmp_path / 'objects.npy')


@pytest.mark.parametrize('subset', ['s4', 'ms3', 'avss'])
def test_training_reads_the_published_bank(subset, model, tmp_path, monkeypatch):
    """From the place that docs/en/weights.md gives it, for the config's own audio backbone."""
    cfg = Config.fromfile(ROOT / f'configs/ddeseg/ddeseg_mit-released_{subset}.py').model
    memory = MODELS.build(dict(cfg.derivation.memory, embed_dims=768))
    memory.backbone = model.derivation.memory.backbone
    assert memory.backbone['weights'] and memory.backbone['front_end']
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'pretrained/1s_k5_feabank\.npy: .*Yenan/DDESeg'):
        memory.init_weights()
    bank = np.random.default_rng(0).normal(size=(71, 5, 768)).astype(np.float32)
    (tmp_path / 'pretrained').mkdir()
    np.save('pretrained/1s_k5_feabank.npy', bank)
    memory.init_weights()
    np.testing.assert_array_equal(memory.features[:, 0], bank)
    np.testing.assert_allclose(memory.centers, bank.mean(1), rtol=1e-4, atol=1e-5)
    np.save('pretrained/1s_k5_feabank.npy', bank[:, :4])
    with pytest.raises(ValueError, match=r'feabank\.npy: found shape \(71, 1, 4, 768\), expected \(71, 1, 5, 768\)'):
        memory.init_weights()


def test_size(model, published_state):
    """Published: 103.84 M trainable (Table 2). Measured on the release, 1 class: 132.773 M, 103.823 M trainable."""
    classifier = sum(p.numel() for p in model.decode_head.classify.parameters()) * 70 / 71  # of 71 classes, one is left
    total = sum(p.numel() for p in model.parameters()) - classifier
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad) - classifier
    assert total / 1e6 == pytest.approx(132.773, rel=0.01) and trainable / 1e6 == pytest.approx(103.823, rel=0.01)
    dead = sum(published_state('ddeseg_avss')[name].numel() for name in UNUSED if name.startswith('backbone'))
    assert round((trainable + dead) / 1e6, 3) == 103.823  # the difference is what the release never uses


def test_size_of_the_paper_s_models():
    """Within 1.2 % of the 103.84 M of Table 2 with HTS-AT; with VGGish, the paper prints the same, and ours hear 128 channels."""
    init_default_scope('mmicf')
    sizes = {}
    for name in ('ddeseg_mit_ms3', 'ddeseg_mit-vggish_ms3'):
        with torch.device('meta'):
            net = MODELS.build(Config.fromfile(ROOT / f'configs/ddeseg/{name}.py').model)
        parts = dict(all=net, mlps=net.backbone.audio_projections, derivation=net.derivation)
        sizes[name] = {part: sum(p.numel() for p in m.parameters() if p.requires_grad) / 1e6 for part, m in parts.items()}
        fusions = [sum(p.numel() for p in m.parameters()) / 1e6 for m in net.backbone.fusions]
        assert sum(n * more for n, more in zip(fusions, (2, 5, 39, 2), strict=True)) == pytest.approx(18.49, abs=0.005)
    own, vggish = sizes.values()
    assert own['all'] == pytest.approx(102.632, abs=1e-3) and own['all'] == pytest.approx(103.84, rel=0.012)
    assert vggish['all'] == pytest.approx(88.527, abs=1e-3)
    fewer = {part: own[part] - vggish[part] for part in own}
    assert fewer['mlps'] == pytest.approx(11.806, abs=1e-3) and fewer['derivation'] == pytest.approx(2.298, abs=1e-3)
    assert fewer['all'] == pytest.approx(fewer['mlps'] + fewer['derivation'], abs=1e-6)
