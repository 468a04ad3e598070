# A small DDESeg from random weights, with a memory of random numbers: its VGGish is not trained yet, so no sound says anything yet.
audio_dims = 64
channels = [24, 48, 80, 128]
model = dict(
    type='DDESeg',
    data_preprocessor=dict(type='AVDataPreprocessor'),
    audio_backbone=dict(type='VGGish', channels=(16, 32, 64, 64), hidden_dims=128, out_dims=audio_dims, frozen=False),
    derivation=dict(
        type='DynamicDerivation',
        embed_dims=audio_dims,
        num_tokens=3,
        memory=dict(type='SemanticMemory', path='random', classes='s4', num_clusters=2, per_cluster=2)),
    backbone=dict(
        type='DDESegBackbone',
        audio_dims=audio_dims,
        encoder=dict(
            type='mmpretrain.TIMMBackbone',
            model_name='pvt_v2_b0',
            features_only=True,
            pretrained=False,
            embed_dims=channels,
            depths=(2, 2, 2, 1),
            mlp_ratios=(4, 4, 4, 4))),
    decode_head=dict(
        type='DDESegHead', num_classes=2, in_channels=channels, embed_dims=64, dropout=0., loss=dict(type='RegionLoss')))
