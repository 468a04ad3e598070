# The S4 model tested on MS3: what a single-source model makes of several sources.
_base_ = 'baseline_pvt_s4.py'
test_dataloader = dict(dataset=dict(type='AVSBenchMS3Dataset', data_root='data/AVSBench/Multi-sources'))
