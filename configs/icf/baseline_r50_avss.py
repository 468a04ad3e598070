# ICF's baseline on AVSS, 71 classes, Table 2 row "none" (published with PVT-v2: J 38.48, F 45.23; see README.md).
_base_ = [
    '../_base_/models/baseline_r50.py', '../_base_/datasets/avsbench_avss.py', '../_base_/schedules/adamw_60e.py',
    '../_base_/default_runtime.py'
]
model = dict(neck=dict(num_segments=4), decode_head=dict(num_classes=71))
