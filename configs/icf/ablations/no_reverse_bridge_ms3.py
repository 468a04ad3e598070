# Queries in one direction: visual tokens do not read them (supplement, item 4).
_base_ = '../icf_pvt_ms3.py'
model = dict(decode_head=dict(decoder=dict(reverse_bridge=False)))
