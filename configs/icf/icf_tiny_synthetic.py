# ICF on the tiny baseline: the embedded default. The text towers are small and start from random weights.
_base_ = 'baseline_tiny_synthetic.py'
embed_dims = 96
model = dict(
    icf=dict(
        type='ImplicitCounterfactual',
        embed_dims=embed_dims,
        visual_dims=embed_dims,
        audio_dims=embed_dims,
        text=dict(
            type='ImplicitText',
            embed_dims=embed_dims,
            audio_dims=embed_dims,
            num_prompts=5,
            visual_encoder=dict(
                type='OpenCLIPTextEncoder', model_cfg=dict(width=64, heads=2, layers=2, vocab_size=512, embed_dim=64)),
            audio_encoder=dict(
                type='CLAPTextEncoder',
                text_cfg=dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, vocab_size=512))),
        counterfactual=dict(
            type='SemanticCounterfactual', embed_dims=embed_dims, num_counterfactuals=4, denoiser_dims=embed_dims),
        contrast=dict(type='CDCLLoss')))
