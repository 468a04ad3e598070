# Table 2, components: CDCL, a contrast between vision and sound alone.
_base_ = '../icf_pvt_avss.py'
model = dict(icf=dict(text=None, counterfactual=None))
