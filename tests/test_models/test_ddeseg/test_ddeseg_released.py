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
    with pytest.raises(ValueError, match=r'\(71, M, d\)'):
        released_memory(tmp_path / 'bad.npy')
    np.save(tmp_path / 'objects.npy', np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match='no plain array'):
        released_memory(tmp_path / 'objects.npy')


def test_size(model, published_state):
    """Published: 103.84 M trainable (Table 2). Measured on the release, 1 class: 132.773 M, 103.823 M trainable."""
    classifier = sum(p.numel() for p in model.decode_head.classify.parameters()) * 70 / 71  # of 71 classes, one is left
    total = sum(p.numel() for p in model.parameters()) - classifier
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad) - classifier
    assert total / 1e6 == pytest.approx(132.773, rel=0.01) and trainable / 1e6 == pytest.approx(103.823, rel=0.01)
    dead = sum(published_state('ddeseg_avss')[name].numel() for name in UNUSED if name.startswith('backbone'))
    assert round((trainable + dead) / 1e6, 3) == 103.823  # the difference is what the release never uses
