# Synthetic clips in S4's layout: one object sounds throughout, first frame labelled in training.
_base_ = 'synthetic_ms3.py'
s4 = dict(type='AVSBenchS4Dataset', data_root='data/synthetic_s4/Single-source')
train_dataloader = dict(dataset=s4)
val_dataloader = dict(dataset=s4)
test_dataloader = dict(dataset=s4)
