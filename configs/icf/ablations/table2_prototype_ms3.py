# Table 2, contrast between prototypes.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(contrast=dict(mode='prototype')))
