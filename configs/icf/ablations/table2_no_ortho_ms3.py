# Table 2, counterfactual space: continuous without L_ortho.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(ortho_weight=0.)))
