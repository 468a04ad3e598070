# As ddeseg_mit-vggish.py with PVT-v2-B5, stride 4.
_base_ = 'ddeseg_mit-vggish.py'
pvt_weights = 'pretrained/pvt_v2_b5.pth'
model = dict(backbone=dict(first_stride=4, encoder=dict(init_cfg=dict(type='OfficialPVTv2Init', checkpoint=pvt_weights))))
