# A small TPAVI on synthetic clips in AVSS's layout.
_base_ = [
    '../_base_/models/tpavi_tiny.py', '../_base_/datasets/synthetic_avss.py', '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py'
]
# The regulariser's weight as in MS3's layout (tpavi_tiny_synthetic.py).
model = dict(decode_head=dict(num_classes=71, audio_bias=False, avm_weight=0.005, avm_reduction='mean'))
