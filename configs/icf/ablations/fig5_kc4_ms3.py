# Figure 5, k^c (default 8).
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(num_counterfactuals=4)))
