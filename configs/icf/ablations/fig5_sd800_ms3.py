# Figure 5, diffusion step at which SC intervenes (default 200).
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(intervention_step=800)))
