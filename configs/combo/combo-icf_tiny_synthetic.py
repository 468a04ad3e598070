# The small COMBO with ICF: nothing but icf= is added. The head's embeddings are 96 wide.
_base_ = ['combo_tiny_synthetic.py', '../_base_/icf_tiny.py']
model = dict(icf=dict(_base_.icf, visual_dims=96, audio_dims=96))
