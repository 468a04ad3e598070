# Table 2, components: MIT + CDCL; text is contrasted with the text of other clips.
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=None))
