# Table 2, components: MIT + SC. The decoder reads factual text and must do worse with counterfactual text.
_base_ = '../icf_pvt_avss.py'
model = dict(decode_head=dict(decoder=dict(text_attention=True)), icf=dict(contrast=None, text_in_decoder=True))
