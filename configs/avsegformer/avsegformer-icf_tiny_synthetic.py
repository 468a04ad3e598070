# The small AVSegFormer with ICF: nothing but icf= is added.
_base_ = ['avsegformer_tiny_synthetic.py', '../_base_/icf_tiny.py']
model = dict(icf=_base_.icf)
