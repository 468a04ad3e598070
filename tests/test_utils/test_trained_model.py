"""Loading trained models for the analysis tools."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.registry import MODELS
from mmicf.utils import trained_model


def test_models_go_to_the_device_that_is_there(tmp_path, monkeypatch):
    init_default_scope('mmicf')
    cfg = Config(dict(model=dict(type='AudioNeck', in_channels=4, embed_dims=8)))
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'x.pth')
    for device in ('cpu', 'meta'):
        monkeypatch.setattr(trained_model, 'get_device', lambda device=device: device)
        model = trained_model.load_trained(cfg, str(tmp_path / 'x.pth'))
        assert {p.device.type for p in model.parameters()} == {device} and not model.training


def test_missing_parts_are_named():
    model = nn.Module()
    model.decode_head, model.icf = nn.Linear(1, 1), None
    trained_model.require_parts(model, 'a.py', 'decode_head.weight')
    with pytest.raises(ValueError, match=r'a\.py: found Module with Linear and no icf\.contrast and no decode_head\.embed; '
                                         r'this tool reads icf\.contrast, decode_head\.weight, decode_head\.embed'):
        trained_model.require_parts(model, 'a.py', 'icf.contrast', 'decode_head.weight', 'decode_head.embed')
