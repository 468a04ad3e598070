# Figure 5, r^a: white noise at 20 dB on the sound of every clip, training clips only.
_base_ = '../baseline_pvt_ms3.py'
pipeline = list(_base_.train_pipeline)
pipeline.insert([t['type'] for t in pipeline].index('LogMel'), dict(type='AudioNoise', snr_db=20))
train_dataloader = dict(dataset=dict(pipeline=pipeline))
