# Table 4, scheme 3: attention to the pixels, FC and sigmoid.
_base_ = '../ddeseg_mit_avss.py'
model = dict(backbone=dict(scheme=3))
