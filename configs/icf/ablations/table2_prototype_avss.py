# Table 2, contrast between prototypes.
_base_ = '../icf_pvt_avss.py'
model = dict(icf=dict(contrast=dict(mode='prototype')))
