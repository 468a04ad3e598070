# Table 4, scheme 4: soft k-means, attention, FC and sigmoid.
_base_ = '../ddeseg_mit_ms3.py'
model = dict(backbone=dict(scheme=4))
