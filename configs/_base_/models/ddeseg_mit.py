# DDESeg as in its paper: MiT-B5 layout (that of PVT-v2-B5), first stride 2 as released, HTS-AT. Weights: docs/en/weights.md.
mit_weights = 'pretrained/mit_b5.pth'
htsat_weights = 'pretrained/HTSAT_AudioSet_Saved_1_clean.ckpt'
channels = [64, 128, 320, 512]
audio_dims = 768

model = dict(
    type='DDESeg',
    data_preprocessor=dict(type='AVDataPreprocessor'),
    audio_backbone=dict(type='HTSAT', checkpoint=htsat_weights),
    derivation=dict(
        type='DynamicDerivation',
        embed_dims=audio_dims,
        num_tokens=5,
        memory=dict(
            type='SemanticMemory',
            path='data/memory/htsat_avss.npz',
            classes='avss',
            num_clusters=5,
            per_cluster=5)),
    backbone=dict(
        type='DDESegBackbone',
        audio_dims=audio_dims,
        first_stride=2,
        scheme=5,
        encoder=dict(
            type='mmpretrain.TIMMBackbone',
            model_name='pvt_v2_b5',
            features_only=True,
            pretrained=False,
            drop_path_rate=0.1,
            init_cfg=dict(type='OfficialMiTInit', checkpoint=mit_weights))),
    decode_head=dict(
        type='DDESegHead',
        num_classes=2,
        in_channels=channels,
        embed_dims=768,
        loss=dict(type='RegionLoss', loss_weights=(5., 5., 2.))))
