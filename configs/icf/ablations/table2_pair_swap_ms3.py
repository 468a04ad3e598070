# Table 2, counterfactual strategies: the text of other clips.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(_delete_=True, type='PairSwapCounterfactual')))
