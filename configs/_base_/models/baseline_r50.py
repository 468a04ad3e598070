# As baseline_pvt.py on ResNet-50 with frozen batch statistics.
_base_ = 'baseline_pvt.py'
r50_weights = 'pretrained/resnet50-19c8e357.pth'
channels = [256, 512, 1024, 2048]

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmseg.ResNet',
        depth=50,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='OfficialResNetInit', checkpoint=r50_weights)),
    neck=dict(in_channels=channels),
    decode_head=dict(pixel_decoder=dict(in_channels=channels)))
