# Table 2, counterfactual dimensions: within samples only.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(inter_sample=False)))
