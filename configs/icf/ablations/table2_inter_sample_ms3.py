# Table 2, counterfactual dimensions: between samples only.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(intra_sample=False)))
