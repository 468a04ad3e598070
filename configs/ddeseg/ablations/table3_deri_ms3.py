# Table 3, Deri.: derivation without enhancement, no elimination.
_base_ = '../ddeseg_mit_ms3.py'
model = dict(derivation=dict(enhance=False), backbone=dict(scheme=1))
