# Table 2, granularity: frame-level text.
_base_ = '../icf_pvt_ms3.py'
model = dict(
    decode_head=dict(decoder=dict(text_attention=True)),
    icf=dict(text=dict(levels=('frame', )), counterfactual=None, contrast=None, text_in_decoder=True))
