# Table 2, counterfactual space: discrete.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(_delete_=True, type='DiscreteCounterfactual')))
