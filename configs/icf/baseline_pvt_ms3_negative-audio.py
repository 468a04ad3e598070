# Baseline that also learns from sound that belongs to nothing in view (AVSBench-Robust): a tenth of the clips, with empty masks.
_base_ = 'baseline_pvt_ms3.py'
train_pipeline = _base_.train_pipeline
train_pipeline.insert(3, dict(type='NegativeAudio', prob=0.1))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
