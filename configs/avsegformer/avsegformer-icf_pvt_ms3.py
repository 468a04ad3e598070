# AVSegFormer with ICF (Table 3); published numbers: README.md.
_base_ = ['avsegformer_pvt_ms3.py', '../_base_/icf_host.py']
model = dict(icf=_base_.icf)
