# TPAVI on AVSS: 60 epochs; clips of 10 frames are seen as two of 5, as published.
_base_ = [
    '../_base_/models/tpavi_r50.py', '../_base_/datasets/plain_avss.py', '../_base_/schedules/tpavi.py',
    '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=71, audio_bias=False, num_frames=5, avm_reduction='mean'))
train_dataloader = dict(batch_size=4)
train_cfg = dict(max_epochs=60)
