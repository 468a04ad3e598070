# ICF's baseline, Table 2 row "none"; published numbers: README.md.
_base_ = [
    '../_base_/models/baseline_pvt.py', '../_base_/datasets/avsbench_ms3.py', '../_base_/schedules/adamw_60e.py',
    '../_base_/default_runtime.py'
]
