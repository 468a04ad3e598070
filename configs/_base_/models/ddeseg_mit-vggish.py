# As ddeseg_mit.py with VGGish.
_base_ = 'ddeseg_mit.py'
vggish_weights = 'pretrained/vggish-10086976.pth'
audio_dims = 128
model = dict(
    audio_backbone=dict(_delete_=True, type='VGGish', checkpoint=vggish_weights),
    derivation=dict(embed_dims=audio_dims, memory=dict(path='data/memory/vggish_avss.npz')),
    backbone=dict(audio_dims=audio_dims))
