# As icf_host.py with AVSS's segments.
_base_ = 'icf_host.py'
icf = dict(num_segments=4)
