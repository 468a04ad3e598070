# MS3 started from the S4 model, the setting that AVSBench reports beside training from scratch.
_base_ = 'baseline_pvt_ms3.py'
load_from = 'work_dirs/baseline_pvt_s4/best.pth'
