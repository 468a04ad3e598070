# Table 2, counterfactual space: discrete without L_ortho, as table2_no_ortho is continuous without it.
_base_ = '../icf_pvt_avss.py'
model = dict(icf=dict(counterfactual=dict(_delete_=True, type='DiscreteCounterfactual', ortho_weight=0.)))
