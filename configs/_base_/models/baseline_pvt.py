# Audio-visual Mask2Former, the baseline of ICF (docs/en/decisions.md), PVT-v2-B5. Weights: docs/en/weights.md.
pvt_weights = 'pretrained/pvt_v2_b5.pth'
vggish_weights = 'pretrained/vggish-10086976.pth'
channels = [64, 128, 320, 512]
embed_dims = 256

model = dict(
    type='AVSegmentor',
    data_preprocessor=dict(type='AVDataPreprocessor'),
    backbone=dict(
        type='mmpretrain.TIMMBackbone',
        model_name='pvt_v2_b5',
        features_only=True,
        pretrained=False,
        drop_path_rate=0.1,
        init_cfg=dict(type='OfficialPVTv2Init', checkpoint=pvt_weights)),
    audio_backbone=dict(type='VGGish', checkpoint=vggish_weights),
    audio_neck=dict(type='AudioNeck', in_channels=128, embed_dims=embed_dims),
    neck=dict(type='MITNeck', in_channels=channels, embed_dims=embed_dims, num_segments=2),
    decode_head=dict(
        type='AVMask2FormerHead',
        num_classes=2,
        embed_dims=embed_dims,
        pixel_decoder=dict(type='MSDeformAttnPixelDecoder', in_channels=channels),
        decoder=dict(type='BidirectionalQueryDecoder', num_queries=100, num_layers=6),
        loss=dict(type='MaskMatchingLoss', class_loss='focal', loss_weights=(1., 1., 1.))))
