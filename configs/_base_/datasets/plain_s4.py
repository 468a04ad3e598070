# S4 as AVSBench (TPAVI) and AVSegFormer read it.
_base_ = 'plain_ms3.py'
s4 = dict(type='AVSBenchS4Dataset', data_root='data/AVSBench/Single-source')
train_dataloader = dict(dataset=s4)
val_dataloader = dict(dataset=s4)
test_dataloader = dict(dataset=s4)
