# Table 2, counterfactual strategies: revised text (tools/dataset_converters/make_counterfactual_text.py).
_base_ = '../icf_pvt_avss.py'
model = dict(
    icf=dict(
        counterfactual=dict(
            _delete_=True, type='PrecomputedCounterfactual', path='data/counterfactuals/avss_text_revision.npz')))
