"""Recorded attention and focus maps against plain re-computation, for every kind of fusion."""
import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.analysis.attention_record import attention_weights, fusion_names, look, standing_out
from mmicf.models.layers import MultiHeadAttention
from mmicf.registry import MODELS
from mmicf.utils.dummy_inputs import dummy_batch, packed_fields

CONFIGS = Path(__file__).parents[2] / 'configs'


def test_weights_are_those_that_the_block_uses():
    torch.manual_seed(0)
    block, query, key = MultiHeadAttention(8, 2), torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    mask = torch.rand(2, 1, 3, 5) > 0.4
    mask[..., 0] = True
    found = attention_weights(block, query, key, mask)
    q, k = block.query(query), block.key(key)
    for n in range(2):
        for i in range(3):
            rows = []
            for head in (slice(0, 4), slice(4, 8)):
                row = [math.exp(float(q[n, i, head] @ k[n, j, head]) / 2) if mask[n, 0, i, j] else 0 for j in range(5)]
                rows.append([x / sum(row) for x in row])
            torch.testing.assert_close(found[n, i], torch.tensor(rows).mean(0), atol=1e-5, rtol=1e-4)
    # One head whose output is its attention: values of a unit matrix pass through.
    one = MultiHeadAttention(5, 1)
    nn.init.eye_(one.value.weight), nn.init.eye_(one.out.weight)
    one.query.weight.data.mul_(3)
    query, key = torch.randn(1, 4, 5), torch.randn(1, 5, 5)
    torch.testing.assert_close(one(query, key, torch.eye(5)[None]), attention_weights(one, query, key, None))


def test_standing_out_is_distance_from_the_mean_of_the_own_clip():
    torch.manual_seed(0)
    maps, index = torch.randn(5, 4, 3, 2), torch.tensor([0, 0, 1, 1, 1])
    found = standing_out(maps, index)
    for clip in (0, 1):
        pixels = maps[index == clip].permute(0, 2, 3, 1).reshape(-1, 4)
        distance = torch.stack([(p - pixels.mean(0)).square().sum().sqrt() for p in pixels])
        torch.testing.assert_close(found[index == clip].ravel(), distance / distance.mean())
    assert not standing_out(torch.ones(2, 4, 3, 2), torch.tensor([0, 0])).any()


@pytest.mark.parametrize(('config', 'fusion', 'layers', 'token'), [
    ('icf/baseline_tiny_synthetic.py', 'BidirectionalQueryDecoder', 2, True),
    ('combo/combo_tiny_synthetic.py', 'BilateralFusion', 3, False),
    ('avsegformer/avsegformer_tiny_synthetic.py', 'CrossModalMixer', 0, False),
    ('tpavi/tpavi_tiny_synthetic.py', 'TPAVIAttention', 0, False),
    ('ddeseg/ddeseg_tiny_synthetic.py', 'FeatureFusion', 0, False),
])
def test_models(config, fusion, layers, token):
    init_default_scope('mmicf')
    cfg = Config.fromfile(CONFIGS / config)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    assert type(model.get_submodule(fusion_names(model)[0])).__name__ == fusion
    keys, rate = packed_fields(cfg.test_dataloader.dataset.pipeline)
    batch = dummy_batch(clips=2, frames=2, size=(64, 64), keys=keys, sample_rate=rate, num_classes=2)
    if fusion == 'BilateralFusion':
        batch['inputs'] = batch['inputs']._replace(maskiges=batch['inputs'].frames)
    data = model.data_preprocessor(batch, False)
    with torch.no_grad():
        plain = [frame.pred_sem_seg.data.clone() for s in model(**data, mode='predict') for frame in s.frames]
    seen, predicted = look(model, data['inputs'], data['data_samples'], fusion_names(model)[-1])
    hooked = [frame.pred_sem_seg.data for s in predicted for frame in s.frames]
    assert all((a == b).all() for a, b in zip(hooked, plain, strict=True))
    assert len(seen.queries) == layers and len(seen.token) == layers * token
    for maps in (*seen.queries, *seen.token):
        assert len(maps) == 4 and (maps >= 0).all()
        torch.testing.assert_close(maps.mean((1, 2)), torch.ones(4), atol=1e-4, rtol=0)
    assert seen.before.shape == seen.after.shape == (4, *seen.before.shape[1:])
    for clip in (slice(0, 2), slice(2, 4)):
        torch.testing.assert_close(seen.after[clip].mean(), torch.tensor(1.), atol=1e-4, rtol=0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
