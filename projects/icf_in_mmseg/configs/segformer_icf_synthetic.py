# mmseg's SegFormer-B0 that hears, with ICF in training: everything is mmseg's but what is named `mmicf.`.
# README.md has the command that makes the clips.
_base_ = 'segformer_audio_synthetic.py'
embed_dims = 64
model = dict(
    icf=dict(
        type='mmicf.ImplicitCounterfactual',
        feature_channels=256,
        visual_dims=256,
        audio_dims=64,
        embed_dims=embed_dims,
        text=dict(
            type='mmicf.ImplicitText',
            embed_dims=embed_dims,
            audio_dims=64,
            visual_encoder=dict(
                type='mmicf.OpenCLIPTextEncoder', model_cfg=dict(width=64, heads=2, layers=2, vocab_size=512, embed_dim=64)),
            audio_encoder=dict(
                type='mmicf.CLAPTextEncoder',
                text_cfg=dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, vocab_size=512))),
        counterfactual=dict(type='mmicf.SemanticCounterfactual', embed_dims=embed_dims, denoiser_dims=embed_dims),
        contrast=dict(type='mmicf.CDCLLoss')))
