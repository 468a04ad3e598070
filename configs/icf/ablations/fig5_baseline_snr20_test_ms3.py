# Figure 5, r^a: white noise at 20 dB on the sound of every clip, testing clips only.
_base_ = '../baseline_pvt_ms3.py'
pipeline = list(_base_.test_pipeline)
pipeline.insert([t['type'] for t in pipeline].index('LogMel'), dict(type='AudioNoise', snr_db=20))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
