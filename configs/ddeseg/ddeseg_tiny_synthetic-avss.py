# A small DDESeg on synthetic clips in AVSS's layout.
_base_ = [
    '../_base_/models/ddeseg_tiny.py', '../_base_/datasets/synthetic_avss.py', '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=71))
