# A small audio-visual Mask2Former from random weights, for CPU runs on synthetic clips.
channels = [24, 48, 96, 192]
embed_dims = 96

model = dict(
    type='AVSegmentor',
    data_preprocessor=dict(type='AVDataPreprocessor'),
    backbone=dict(  # group norm: batch statistics would make a clip depend on its batch
        type='mmseg.ResNet',
        depth=18,
        base_channels=24,
        stem_channels=24,
        norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
        norm_eval=False),
    audio_backbone=dict(type='VGGish', channels=(16, 32, 64, 64), hidden_dims=128, out_dims=64, frozen=False),
    audio_neck=dict(type='AudioNeck', in_channels=64, embed_dims=embed_dims),
    neck=dict(type='MITNeck', in_channels=channels, embed_dims=embed_dims, num_segments=2),
    decode_head=dict(
        type='AVMask2FormerHead',
        num_classes=2,
        embed_dims=embed_dims,
        pixel_decoder=dict(type='MSDeformAttnPixelDecoder', in_channels=channels, num_layers=1, ffn_dims=256),
        decoder=dict(type='BidirectionalQueryDecoder', num_queries=16, num_layers=2, ffn_dims=256),
        loss=dict(type='MaskMatchingLoss', class_loss='focal', loss_weights=(1., 1., 1.), num_points=256)))
