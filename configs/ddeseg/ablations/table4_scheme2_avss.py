# Table 4, scheme 2: FC and sigmoid.
_base_ = '../ddeseg_mit_avss.py'
model = dict(backbone=dict(scheme=2))
