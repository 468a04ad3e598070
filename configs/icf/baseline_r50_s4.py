# ICF's baseline (docs/en/decisions.md); published numbers: README.md.
_base_ = [
    '../_base_/models/baseline_r50.py', '../_base_/datasets/avsbench_s4.py', '../_base_/schedules/adamw_60e.py',
    '../_base_/default_runtime.py'
]
