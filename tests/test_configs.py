"""Every config builds and runs a training step and a test step on synthetic clips of its layout."""
import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import DATASETS, METRICS, MODELS

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts)
LAYOUTS = {'AVSBenchS4Dataset': ('s4', 'Single-source'), 'AVSBenchMS3Dataset': ('ms3', 'Multi-sources'),
           'AVSBenchSemanticDataset': ('avss', 'AVSS')}


@pytest.fixture(scope='session')
def synthetic(tmp_path_factory):
    """Roots of small synthetic sets, by subset."""
    roots = {}
    for subset in ('s4', 'ms3', 'avss'):
        out = tmp_path_factory.mktemp(subset)
        rows = [row for split in ('train', 'val', 'test') for i in range(3)
                for row in write_clip(ClipJob(str(out), subset, split, i, 0, 64))]
        write_tables(str(out), subset, rows)
        roots[subset] = out
    return roots


def shrink(cfg, synthetic):
    """Points a config at synthetic clips of its layout, without weight files, at 64 pixels."""
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.pop('init_cfg', None)
    cfg.model.audio_backbone.pop('checkpoint', None)
    cfg.model.audio_backbone.hidden_dims = 64  # two thirds of its parameters are in the hidden layers
    cfg.model.decode_head.loss.num_points = 256
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        subset, folder = LAYOUTS[loader.dataset.type]
        loader.dataset.data_root = str(synthetic[subset] / folder)
        for transform in loader.dataset.pipeline:
            if 'size' in transform:
                transform.size = (64, 64)
            if 'short_side' in transform:
                transform.short_side = 64
    return cfg


def test_there_are_configs():
    assert len(CONFIGS) >= 10


@pytest.mark.parametrize('path', CONFIGS)
def test_config_trains_and_tests_one_batch(path, synthetic):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = shrink(Config.fromfile(ROOT / path), synthetic)
    model = MODELS.build(cfg.model)
    train = DATASETS.build(cfg.train_dataloader.dataset)
    model.train()
    data = model.data_preprocessor(pseudo_collate([train[0]]), True)
    total, log_vars = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    assert torch.isfinite(total) and {'loss_cls', 'loss_mask', 'loss_dice'} <= set(log_vars)
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    test = DATASETS.build(cfg.test_dataloader.dataset)
    model.eval()
    with torch.no_grad():
        samples = model.test_step(pseudo_collate([test[0]]))
    for metric in cfg.test_evaluator:
        metric = METRICS.build(metric)
        metric.dataset_meta = test.metainfo
        metric.process({}, [s.to_dict() for s in samples])
        assert all(v == v for v in metric.compute_metrics(metric.results).values())
