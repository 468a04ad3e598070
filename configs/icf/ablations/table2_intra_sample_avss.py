# Table 2, counterfactual dimensions: within samples only.
_base_ = '../icf_pvt_avss.py'
model = dict(icf=dict(counterfactual=dict(inter_sample=False)))
