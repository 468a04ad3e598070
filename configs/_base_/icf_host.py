# ICF on a host without clip context of its own: it reads the backbone's coarsest map and the VGGish tokens (Table 3).
_base_ = 'icf.py'
icf = dict(feature_channels=512, text=dict(audio_dims=128))
