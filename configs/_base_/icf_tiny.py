# ICF with small text towers from random weights, for hosts without clip context of their own.
icf = dict(
    type='ImplicitCounterfactual',
    embed_dims=64,
    visual_dims=64,
    audio_dims=64,
    feature_channels=192,
    text=dict(
        type='ImplicitText',
        embed_dims=64,
        audio_dims=64,
        num_prompts=5,
        visual_encoder=dict(
            type='OpenCLIPTextEncoder', model_cfg=dict(width=64, heads=2, layers=2, vocab_size=512, embed_dim=64)),
        audio_encoder=dict(
            type='CLAPTextEncoder',
            text_cfg=dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, vocab_size=512))),
    counterfactual=dict(type='SemanticCounterfactual', embed_dims=64, num_counterfactuals=4, denoiser_dims=64),
    contrast=dict(type='CDCLLoss'))
