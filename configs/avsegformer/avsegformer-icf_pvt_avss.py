# AVSegFormer with ICF (Table 3); published numbers: README.md.
_base_ = ['avsegformer_pvt_avss.py', '../_base_/icf_host_avss.py']
model = dict(icf=_base_.icf)
