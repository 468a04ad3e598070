# Table 3, Deri. + Disc., and Table 4, scheme 1: no elimination.
_base_ = '../ddeseg_mit_ms3.py'
model = dict(backbone=dict(scheme=1))
