# Table 2, counterfactual space: continuous without L_ortho.
_base_ = '../icf_pvt_avss.py'
model = dict(icf=dict(counterfactual=dict(ortho_weight=0.)))
