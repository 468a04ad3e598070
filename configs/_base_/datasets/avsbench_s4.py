# AVSBench-object, single source: 5 frames of 224x224, first frame labelled in training. Pipelines as MS3's.
_base_ = 'avsbench_ms3.py'
data_root = 'data/AVSBench/Single-source'
s4 = dict(type='AVSBenchS4Dataset', data_root=data_root)
train_dataloader = dict(dataset=s4)
val_dataloader = dict(dataset=s4)
test_dataloader = dict(dataset=s4)
