# AVSegFormer on AVSS: 30 epochs; the backbone learns from the start.
_base_ = [
    '../_base_/models/avsegformer_pvt.py', '../_base_/datasets/plain_avss.py', '../_base_/schedules/avsegformer.py',
    '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=71))
train_cfg = dict(max_epochs=30)
auto_scale_lr = dict(base_batch_size=4)
find_unused_parameters = False
