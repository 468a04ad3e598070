# ICF on its baseline (Table 1 and 2); published numbers: README.md.
_base_ = ['baseline_pvt_avss.py', '../_base_/icf.py']
model = dict(icf=_base_.icf)
