# ICF: AdamW, 1e-4, total batch 8 clips, 60 epochs (Sec. 4); weight decay, backbone rate, poly decay and clipping as COMBO.
max_epochs = 60
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='NormDecayConstructor',  # norms and embeddings do not decay, the backbone's too
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=0.01, norm_type=2),
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        custom_keys={
            'backbone': dict(lr_mult=0.1),
            'audio_backbone': dict(lr_mult=1.0),
            'query_feat': dict(decay_mult=0.),
            'query_embed': dict(decay_mult=0.),
            'level_embed': dict(decay_mult=0.),
            'level_encoding': dict(decay_mult=0.),
            'prompts': dict(decay_mult=0.),
            'weight_query': dict(decay_mult=0.),
            'codebook': dict(decay_mult=0.),
            'denoiser.nothing': dict(decay_mult=0.)
        }))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0., begin=0, end=max_epochs, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(base_batch_size=8, enable=False)
