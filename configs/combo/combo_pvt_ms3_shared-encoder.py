# COMBO whose one encoder sees frames and maskiges.
_base_ = 'combo_pvt_ms3.py'
model = dict(maskige_encoder='shared')
