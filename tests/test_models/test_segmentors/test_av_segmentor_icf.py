"""What the segmentor tells ICF."""
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from test_av_segmentor import clip, run

from mmicf.registry import MODELS

ROOT = Path(__file__).parents[3]


def test_icf_gets_the_embeddings_of_the_head(monkeypatch):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs/icf/baseline_tiny_synthetic.py').model
    icf = dict(type='ImplicitCounterfactual', embed_dims=32, visual_dims=96, audio_dims=96, contrast=dict(type='CDCLLoss'))
    model, seen = MODELS.build({**cfg, 'icf': icf}).train(), []
    embed, loss = model.decode_head.embed, model.icf.loss
    monkeypatch.setattr(model.decode_head, 'embed', lambda outputs: seen.append(embed(outputs)) or seen[-1])
    monkeypatch.setattr(model.icf, 'loss', lambda inputs, generated: seen.append(inputs) or loss(inputs, generated))
    losses = run(model, [clip('a', 2, size=32), clip('b', 1, seed=1, size=32)], 'loss')
    (visual, audio), inputs = seen
    assert inputs.visual_embed is visual and inputs.audio_embed is audio and not torch.equal(visual, audio)
    assert inputs.clip_ids == ['a', 'b'] and inputs.clip_index.tolist() == [0, 0, 1]
    assert losses['icf.loss_va'] > 0
