# S4 as AVSegFormer reads it.
_base_ = 'avsegformer_ms3.py'
s4 = dict(type='AVSBenchS4Dataset', data_root='data/AVSBench/Single-source')
train_dataloader = dict(dataset=s4)
val_dataloader = dict(dataset=s4)
test_dataloader = dict(dataset=s4)
