# S4 at 512x512, AVSegFormer's setting.
_base_ = 'baseline_pvt_ms3_512.py'
s4 = dict(type='AVSBenchS4Dataset', data_root='data/AVSBench/Single-source')
train_dataloader = dict(dataset=s4)
val_dataloader = dict(dataset=s4)
test_dataloader = dict(dataset=s4)
