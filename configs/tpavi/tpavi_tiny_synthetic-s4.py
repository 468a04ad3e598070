# A small TPAVI on synthetic clips in S4's layout, where the sound does not change within a clip (see README).
_base_ = [
    '../_base_/models/tpavi_tiny.py', '../_base_/datasets/synthetic_s4.py', '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(avm_weight=0.))  # no regulariser on S4, as published
