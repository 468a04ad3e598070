# The embedded default: a tiny baseline from random weights on synthetic clips in MS3's layout, minutes on two CPU cores.
_base_ = [
    '../_base_/models/baseline_tiny.py', '../_base_/datasets/synthetic_ms3.py', '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py'
]
