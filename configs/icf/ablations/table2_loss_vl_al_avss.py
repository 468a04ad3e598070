# Table 2, loss pairs: vision-text and audio-text.
_base_ = '../icf_pvt_avss.py'
model = dict(icf=dict(contrast=dict(pair_weights=dict(va=0., al=0.3, vl=0.3))))
