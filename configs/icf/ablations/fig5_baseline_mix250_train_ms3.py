# Figure 5, r^v: frames of other videos in 0.25 of the clips, training clips only (supplement: a quarter).
_base_ = '../baseline_pvt_ms3.py'
pipeline = list(_base_.train_pipeline)
pipeline.insert([t['type'] for t in pipeline].index('LoadMasks') + 1, dict(type='FrameMixing', ratio=0.25))
train_dataloader = dict(dataset=dict(pipeline=pipeline))
