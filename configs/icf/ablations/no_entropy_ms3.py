# CDCL without the entropy of Eq. 14: γ = 0.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(contrast=dict(entropy_weight=0.)))
