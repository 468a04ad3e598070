# Table 2, components: MIT. The decoder reads the text, so the text towers run at test time too.
_base_ = '../icf_pvt_avss.py'
model = dict(
    decode_head=dict(decoder=dict(text_attention=True)),
    icf=dict(counterfactual=None, contrast=None, text_in_decoder=True))
