# Implicit counterfactual learning as published (choices: docs/en/decisions.md). Weights: docs/en/weights.md.
icf = dict(
    type='ImplicitCounterfactual',
    text=dict(
        type='ImplicitText',
        visual_encoder=dict(
            type='OpenCLIPTextEncoder', model='ViT-B-32', pretrained='pretrained/CLIP-ViT-B-32-laion2B-s34B-b79K.bin'),
        audio_encoder=dict(type='CLAPTextEncoder', checkpoint='pretrained/630k-audioset-best.pt')),
    counterfactual=dict(type='SemanticCounterfactual'),
    contrast=dict(type='CDCLLoss'))
