"""The text that ICF hands to a decoder that reads it."""
import pytest
import torch
from mmengine.registry import init_default_scope

from mmicf.models.icf import Generated
from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, FactualText

D = 16


@pytest.fixture
def icf():
    init_default_scope('mmicf')
    return MODELS.build(dict(
        type='ImplicitCounterfactual', embed_dims=D, text_in_decoder=True, contrast=None,
        text=dict(
            type='ImplicitText', embed_dims=D, audio_dims=D, num_prompts=2,
            visual_encoder=dict(
                type='OpenCLIPTextEncoder', model_cfg=dict(width=32, heads=2, layers=1, vocab_size=64, embed_dim=24)),
            audio_encoder=dict(
                type='CLAPTextEncoder', embed_dims=24,
                text_cfg=dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=64)))))


def test_the_decoder_reads_the_hardest_counterfactual_of_each_clip(icf):
    index = torch.tensor([0, 0, 1])
    text = FactualText(torch.randn(2, 4, D), torch.rand(2, 4), torch.ones(2, 4, dtype=torch.bool), *torch.randn(2, 2, 5))
    pool = Counterfactuals(torch.randn(2, 3, 4, D), torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]))
    read = icf.decoder_counterfactual(Generated(text, pool, None, {}), index)
    assert torch.equal(read.tokens, torch.stack([pool.tokens[0, 1], pool.tokens[0, 1], pool.tokens[1, 0]]))
    assert torch.equal(read.weight, text.weight[index])
    factual = icf.decoder_text(text, index)
    assert torch.equal(factual.tokens, text.tokens[index]) and torch.equal(factual.weight, text.weight[index])
    assert icf.decoder_counterfactual(Generated(text, None, None, {}), index) is None
