# Figure 5, degree of orthogonality (default 0.7 to 0.8).
_base_ = '../icf_pvt_ms3.py'
model = dict(icf=dict(counterfactual=dict(alpha_range=(0.1, 0.2))))
