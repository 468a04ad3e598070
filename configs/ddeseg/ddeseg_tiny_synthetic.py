# A small DDESeg on synthetic clips in MS3's layout.
_base_ = [
    '../_base_/models/ddeseg_tiny.py', '../_base_/datasets/synthetic_ms3.py', '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py'
]
