"""Every config builds and runs a training step and a test step on synthetic clips of its layout."""
import copy
from pathlib import Path

import numpy as np
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
           'AVSBenchSemanticDataset': ('avss', 'AVSS'), 'VPODataset': ('vpo', 'VPO')}


@pytest.fixture(scope='session')
def synthetic(tmp_path_factory):
    """Roots of small synthetic sets, by subset."""
    roots = {}
    for subset in ('s4', 'ms3', 'avss', 'vpo'):
        out = tmp_path_factory.mktemp(subset)
        rows = [row for split in ('train', 'val', 'test') for i in range(6 if subset == 'vpo' else 3)
                for row in write_clip(ClipJob(str(out), subset, split, i, 0, 64))]
        write_tables(str(out), subset, rows)
        roots[subset] = out
    # What make_counterfactual_text.py would write, for every clip of all layouts.
    ids = {row.stem for root in roots.values() for row in (root / 'truth').rglob('*.npz')}
    roots['counterfactuals'] = str(tmp_path_factory.mktemp('cf') / 'cf.npz')
    np.savez(roots['counterfactuals'], **{name: np.ones((2, 8), np.float32) for name in ids})
    return roots


FULL_SIZE = ('configs/icf/icf_pvt_ms3.py', 'configs/icf/baseline_r50_avss.py')  # the others run with fewer layers
SMALL_CLIP = dict(width=32, heads=2, layers=1, vocab_size=64, embed_dim=32)
SMALL_ROBERTA = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=64)
B0 = [32, 64, 160, 256]  # channels of PVT-v2-B0


def shrink_model(model):
    """Fewer layers and PVT-v2-B0, for every kind of model."""
    head = model.decode_head
    if 'decoder' in head:
        head.decoder.update(num_queries=10, num_layers=4, ffn_dims=64)
        head.pixel_decoder.update(num_layers=1, ffn_dims=64)
    if head.type == 'AVSegFormerHead':
        head.update(num_queries=10, num_layers=1, ffn_dims=64)
    if head.type == 'COMBOHead':
        head.audio_hidden_dims = 64
    if head.type == 'DDESegHead' and model.backbone.encoder.model_name == 'pvt_v2_b5':
        model.backbone.encoder.model_name = 'pvt_v2_b0'
        head.update(in_channels=B0, embed_dims=32)
        if model.audio_backbone.type == 'HTSAT':
            model.audio_backbone.update(base_dims=16, depths=(1, 1, 1, 1))
            model.backbone.audio_dims = 128
            if model.derivation:
                model.derivation.embed_dims = 128
    if model.backbone.get('model_name') == 'pvt_v2_b5':
        model.backbone.model_name = 'pvt_v2_b0'
        (head.pixel_decoder if 'pixel_decoder' in head else head).in_channels = B0
        if model.get('neck'):
            model.neck.in_channels = B0
        if model.get('maskige_encoder'):
            model.maskige_channels = B0
            if not isinstance(model.maskige_encoder, str):
                model.maskige_encoder.model_name = 'pvt_v2_b0'
        if model.get('icf') and 'feature_channels' in model.icf:
            model.icf.feature_channels = B0[-1]


def shrink(cfg, synthetic, full_size):
    """Points a config at synthetic clips of its layout, without weight files, at 64 pixels."""
    cfg = copy.deepcopy(cfg)
    for encoder in (cfg.model.backbone, cfg.model.backbone.get('encoder'), cfg.model.get('maskige_encoder')):
        if isinstance(encoder, dict):
            encoder.pop('init_cfg', None)
    cfg.model.audio_backbone.pop('checkpoint', None)
    if not full_size:
        shrink_model(cfg.model)
    icf = cfg.model.get('icf')
    if icf and icf.text:
        icf.text.visual_encoder.update(pretrained=None, model_cfg=SMALL_CLIP)
        icf.text.audio_encoder.update(checkpoint=None, text_cfg=SMALL_ROBERTA)
        icf.text.num_prompts = 15 if full_size else 2
    if icf and icf.counterfactual and icf.counterfactual.type == 'SemanticCounterfactual' and not full_size:
        icf.counterfactual.denoiser_dims = 32
    if icf and icf.counterfactual and icf.counterfactual.type == 'PrecomputedCounterfactual':
        icf.counterfactual.path = synthetic['counterfactuals']
    if cfg.model.get('derivation'):
        cfg.model.derivation.memory.path = 'random'
    if cfg.model.audio_backbone.type == 'VGGish':
        cfg.model.audio_backbone.hidden_dims = 64  # two thirds of its parameters are in the hidden layers
    if cfg.model.decode_head.get('loss', {}).get('type') == 'MaskMatchingLoss':
        cfg.model.decode_head.loss.num_points = 256
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        subset, folder = LAYOUTS[loader.dataset.type]
        for transform in loader.dataset.pipeline:
            if transform.type == 'LoadMaskiges':
                assert transform.data_root == loader.dataset.data_root
        loader.dataset.data_root = str(synthetic[subset] / folder)
        loader.dataset.serialize_data = False  # it collects garbage, which takes longer than the clips
        for transform in loader.dataset.pipeline:
            if 'size' in transform:
                transform.size = (64, 64)
            if 'short_side' in transform:
                transform.short_side = 64
            if transform.type == 'LoadMaskiges':  # the frames themselves stand for them
                transform.update(data_root=loader.dataset.data_root, maskige_root=loader.dataset.data_root,
                                 suffix='.jpg' if subset == 'avss' else '.png')
    return cfg


def test_there_are_configs():
    assert len(CONFIGS) >= 160
    counts = dict(table2=36, fig5=30, icf_=7, tpavi=9, avsegformer=14, combo=10, ddeseg=13)
    for kind, count in counts.items():
        assert sum(Path(path).name.startswith(kind) for path in CONFIGS) >= count


@pytest.mark.parametrize('path', CONFIGS)
def test_config_trains_and_tests_one_batch(path, synthetic):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = shrink(Config.fromfile(ROOT / path), synthetic, path in FULL_SIZE)
    model = MODELS.build(cfg.model)
    train = DATASETS.build(cfg.train_dataloader.dataset)
    model.train()
    data = model.data_preprocessor(pseudo_collate([train[0], train[1]]), True)
    total, log_vars = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    expected = {'DDESegHead': {'loss_dice', 'loss_ce', 'loss_iou'}}.get(
        cfg.model.decode_head.type, {'loss_cls', 'loss_mask', 'loss_dice'} if 'loss' in cfg.model.decode_head else {'loss_seg'})
    assert torch.isfinite(total) and expected <= set(log_vars)
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    test = DATASETS.build(cfg.test_dataloader.dataset)
    assert model.decode_head.num_classes == len(train.metainfo['classes']) == len(test.metainfo['classes'])  # NumClassesHook
    model.eval()
    with torch.no_grad():
        samples = model.test_step(pseudo_collate([test[0]]))
    for metric in cfg.test_evaluator:
        metric = METRICS.build(metric)
        metric.dataset_meta = test.metainfo
        metric.process({}, [s.to_dict() for s in samples])
        assert all(v == v for v in metric.compute_metrics(metric.results).values())
