# MS3 started from the S4 model, the setting that AVSBench reports beside training from scratch. No run writes the name below:
# give your own, --cfg-options load_from=work_dirs/..._s4/best_JF_epoch_N.pth.
_base_ = 'baseline_pvt_ms3.py'
load_from = 'work_dirs/baseline_pvt_s4/best.pth'
