# Table 3, baseline: the audio feature is the only sound, nothing is derived or eliminated.
_base_ = '../ddeseg_mit_avss.py'
model = dict(derivation=None, backbone=dict(scheme=1))
