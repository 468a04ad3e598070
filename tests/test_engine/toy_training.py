"""A toy model on a toy dataset of BaseAVDataset, both with every kind of randomness a real run has."""
import tempfile

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel

from mmicf.datasets.base import BaseAVDataset
from mmicf.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from mmicf.utils.dist import reduce_log_vars
from mmicf.utils.random import clip_generator


@TRANSFORMS.register_module()
class ToyAugment:
    """An input that depends on the clip and on the clip's own generator."""

    def __call__(self, results):
        noise = results['rng'].normal(size=4)
        value = torch.tensor([results['sample_idx'] * 0.1, 1., -1., 0.5]) + torch.tensor(noise).float()
        return dict(inputs=value, data_samples=results['clip_id'])


@DATASETS.register_module()
class ToyClips(BaseAVDataset):
    METAINFO = dict(classes=('background', 'sounding'), palette=[[0, 0, 0], [255, 255, 255]])
    LAYOUT = 'any folder'

    def __init__(self, *, length, **kwargs):
        self.length, self.loaded = length, []
        super().__init__(data_root=tempfile.gettempdir(), split='train', verify=False, **kwargs)

    def load_data_list(self):
        return [dict(clip_id=f'clip{i}', num_frames=1, audio=[], log_mel_path=None) for i in range(self.length)]

    def prepare_data(self, idx):
        self.loaded.append(idx)
        return super().prepare_data(idx)


@MODELS.register_module()
class ToySegmentor(BaseModel):
    """Dropout draws from torch's global state, the noise on the target from the clip's generator."""

    def __init__(self, *, dropout=0.):
        super().__init__()
        self.backbone = torch.nn.Linear(4, 8)
        self.bn = torch.nn.LayerNorm(8)
        self.decode_head = torch.nn.Linear(8, 1)
        self.dropout = dropout

    def forward(self, inputs, data_samples=None, mode='tensor'):
        x = torch.stack(list(inputs)) if isinstance(inputs, (list, tuple)) else inputs
        x = torch.nn.functional.dropout(self.bn(self.backbone(x)).tanh(), self.dropout, self.training)
        x = self.decode_head(x)
        if mode == 'predict':
            return [dict(clip_id=clip, value=float(v)) for clip, v in zip(data_samples, x, strict=True)]
        if mode == 'tensor':
            return x
        noise = torch.cat([torch.randn(1, 1, generator=clip_generator(c, 'toy')) for c in data_samples])
        return dict(loss_fit=(x - noise).square().mean(), loss_small=0.1 * x.abs().mean())

    def parse_losses(self, losses):
        total, log_vars = super().parse_losses(losses)
        return total, reduce_log_vars(log_vars)


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """Mean prediction over all clips."""

    def process(self, data_batch, data_samples):
        self.results += [sample['value'] for sample in data_samples]

    def compute_metrics(self, results):
        return dict(JF=sum(results) / len(results))


def loader(batch_size, length=20, workers=0, shuffle=True, **kwargs):
    return dict(batch_size=batch_size, num_workers=workers, persistent_workers=workers > 0, drop_last=shuffle,
                sampler=dict(type='DefaultSampler', shuffle=shuffle, round_up=shuffle),
                dataset=dict(type='ToyClips', length=length, pipeline=[dict(type='ToyAugment')]), **kwargs)


def config(work_dir, **changes):
    """Three epochs of five iterations, checkpoints every second one, EMA."""
    cfg = dict(
        default_scope='mmicf',
        model=dict(type='ToySegmentor', dropout=0.3),
        work_dir=str(work_dir),
        train_dataloader=loader(4),
        train_cfg=dict(type='ResumableEpochTrainLoop', max_epochs=3),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.05)),
        param_scheduler=[dict(type='PolyLR', power=0.9, end=3, by_epoch=True, convert_to_iter_based=True)],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False),
                           logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[dict(type='SeedHook'), dict(type='EMAHook', momentum=0.1, update_buffers=True),
                      dict(type='CheckpointCheckHook')],
        randomness=dict(seed=5), log_level='WARNING')
    return {**cfg, **changes}
