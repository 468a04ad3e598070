"""ICF on COMBO: the config adds nothing else, every loss comes, and the contrast trains what its audio embedding is made of."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmicf.registry import MODELS
from mmicf.utils.dummy_inputs import dummy_batch

CONFIGS = Path(__file__).parents[3] / 'configs/combo'


def test_icf_is_added_by_a_config_that_touches_nothing_else():
    host, with_icf = (Config.fromfile(CONFIGS / f'combo{kind}_tiny_synthetic.py').to_dict() for kind in ('', '-icf'))
    assert with_icf.pop('icf') and with_icf['model'].pop('icf')
    assert with_icf == host


@pytest.mark.parametrize('audio_embed', ['token', 'queries'])
def test_a_training_step_with_icf(audio_embed):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIGS / 'combo-icf_tiny_synthetic.py').model
    model = MODELS.build(dict(cfg, decode_head=dict(cfg.decode_head, audio_embed=audio_embed))).train()
    losses = model(**model.data_preprocessor(dummy_batch(clips=2, frames=2, size=(64, 64)), True), mode='loss')
    assert {f'icf.loss_{n}' for n in ('mit', 'cf', 'ortho', 'va', 'vl', 'al')} == {k for k in losses if k.startswith('icf.loss')}
    # The contrast of the fused token does not pass through the decoder; the other embedding is the mean of its queries.
    query = model.decode_head.decoder.query_feat.weight
    reached, = torch.autograd.grad(losses['icf.loss_va'], query, retain_graph=True, allow_unused=True)
    assert (reached is not None and bool(reached.any())) == (audio_embed == 'queries')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    learned = {n.split('.')[0] for n, p in model.icf.named_parameters() if p.requires_grad and p.grad.any()}
    assert learned == {name for name, part in model.icf.named_children() if any(p.requires_grad for p in part.parameters())}
