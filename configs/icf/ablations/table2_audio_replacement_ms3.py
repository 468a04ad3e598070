# Table 2, counterfactual strategies: audio of other classes (tools/dataset_converters/make_counterfactual_text.py).
_base_ = '../icf_pvt_ms3.py'
model = dict(
    icf=dict(
        counterfactual=dict(
            _delete_=True, type='PrecomputedCounterfactual', path='data/counterfactuals/ms3_audio_replacement.npz')))
