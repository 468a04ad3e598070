# Synthetic clips in S4's layout, 112x112 (docs/en/data.md has the command that makes them): one object sounds throughout, in
# training the first frame is labelled.
_base_ = 'synthetic_ms3.py'
s4 = dict(type='AVSBenchS4Dataset', data_root='data/synthetic_s4/Single-source')
train_dataloader = dict(dataset=s4)
val_dataloader = dict(dataset=s4)
test_dataloader = dict(dataset=s4)
