import copy

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmicf.models.ddeseg import backbone_settings, build_memory, save_memory
from mmicf.models.ddeseg.memory import CLASS_SETS
from mmicf.registry import MODELS
from mmicf.structures import AVInputs
from mmicf.utils.dummy_inputs import dummy_batch

DIMS = 16


def model(style='paper', scheme=5, derivation=True, classes=2):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    memory = dict(type='SemanticMemory', path='random', classes='s4', num_clusters=2, per_cluster=2)
    return MODELS.build(dict(
        type='DDESeg',
        data_preprocessor=dict(type='AVDataPreprocessor'),
        audio_backbone=dict(type='VGGish', channels=(4, 4, 8, 8), hidden_dims=32, out_dims=DIMS, frozen=False),
        derivation=dict(
            type='DynamicDerivation', embed_dims=DIMS, memory=memory, num_tokens=3, style=style) if derivation else None,
        backbone=dict(
            type='DDESegBackbone', audio_dims=DIMS, style=style, scheme=scheme,
            encoder=dict(type='mmpretrain.TIMMBackbone', model_name='pvt_v2_b0', features_only=True, depths=(1, 1, 1, 1))),
        decode_head=dict(
            type='DDESegHead', num_classes=classes, in_channels=[32, 64, 160, 256], embed_dims=32, dropout=0.,
            loss=dict(type='RegionLoss'))))


def batch(*lengths, seed=0, classes=2):
    """Clips of these numbers of frames."""
    clips = [dummy_batch(clips=1, frames=t, size=(32, 32), seed=seed + i, num_classes=classes) for i, t in enumerate(lengths)]
    fields = [None if c[0] is None else sum(c, ()) for c in zip(*(clip['inputs'] for clip in clips), strict=True)]
    return dict(inputs=AVInputs(*fields), data_samples=[clip['data_samples'][0] for clip in clips])


def ready(net, data, training=False):
    return net.data_preprocessor(copy.deepcopy(data), training)


@pytest.mark.parametrize('kind', [dict(), dict(style='released', classes=5), dict(derivation=False, scheme=1), dict(scheme=2)])
def test_a_training_step_reaches_every_parameter(kind):
    net = model(**kind).train()
    losses = net(**ready(net, batch(2, 1, classes=kind.get('classes', 2)), True), mode='loss')
    assert set(losses) == {'loss_dice', 'loss_ce', 'loss_iou'}
    total, _ = net.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize('style', ['paper', 'released'])
def test_prediction_is_deterministic_and_a_clip_s_own(style):
    net, data = model(style).eval(), batch(2, 3, 1)
    with torch.no_grad():
        together = net(**ready(net, data), mode='tensor')
        assert torch.equal(together, net(**ready(net, data), mode='tensor'))
        alone = net(**ready(net, batch(3, seed=1)), mode='tensor')
    torch.testing.assert_close(together[2:5], alone, rtol=1e-4, atol=1e-5)
    assert (together[2:5] - together[2:5].flip(0)).abs().max() > 1e-3
    samples = net.test_step(data)
    assert [tuple(f.pred_sem_seg.data.shape) for s in samples for f in s.frames] == [(1, 32, 32)] * 6
    assert all('av_score' in f for s in samples for f in s.frames)


@pytest.mark.parametrize('style', ['paper', 'released'])
def test_sound_changes_the_prediction(style):
    net, data = model(style).eval(), batch(2)
    with torch.no_grad():
        a = net(**ready(net, data), mode='tensor')
        data['inputs'] = data['inputs']._replace(log_mel=(data['inputs'].log_mel[0].flip(0), ))
        assert (a - net(**ready(net, data), mode='tensor')).abs().max() > 1e-2


def test_only_labelled_frames_are_computed():
    net, data = model(scheme=3).train(), batch(3, 2)
    for sample in data['data_samples']:
        for frame in sample.frames[1:]:
            frame.set_metainfo(dict(has_gt=False))
            del frame.gt_sem_seg
    seen = []
    net.backbone.register_forward_hook(lambda m, x, y: seen.append(len(x[0])))
    losses = net(**ready(net, data, True), mode='loss')
    assert seen == [2]
    whole = ready(net, data, True)
    outputs = net.decode_head(net.extract_feat(whole['inputs'], torch.tensor([0, 3])))
    assert all(torch.allclose(losses[k], v) for k, v in net.decode_head.criterion(
        outputs, torch.stack([s.frames[0].gt_sem_seg.data[0] for s in whole['data_samples']])).items())
    every = net.decode_head(net.extract_feat(whole['inputs']))
    picked = net.decode_head.loss(every, whole['data_samples'])
    direct = net.decode_head.criterion(every[[0, 3]], torch.stack([s.frames[0].gt_sem_seg.data[0] for s in whole['data_samples']]))
    assert picked == direct


def test_only_labelled_seconds_are_heard():
    net = model(derivation=False, scheme=1).eval()
    net.audio_backbone = MODELS.build(dict(type='HTSAT', base_dims=4, depths=(1, 1, 1, 1)))
    net.backbone = MODELS.build(dict(
        type='DDESegBackbone', audio_dims=32, scheme=1,
        encoder=dict(type='mmpretrain.TIMMBackbone', model_name='pvt_v2_b0', features_only=True, depths=(1, 1, 1, 1))))
    net.eval()
    generator = torch.Generator().manual_seed(0)
    inputs = ready(net, batch(3, 2))['inputs']._replace(
        waveform=[torch.randn(t * 22050, generator=generator) for t in (3, 2)], sample_rate=[22050, 22050])
    heard, picked = [], torch.tensor([1, 4])
    net.audio_backbone.tower.spectrogram_extractor.register_forward_hook(lambda m, x, y: heard.append(len(x[0])))
    with torch.no_grad():
        whole, part = net.extract_feat(inputs), net.extract_feat(inputs, picked)
    assert heard == [5, 2]
    assert torch.allclose(whole.audio[picked], part.audio, atol=1e-5) and (part.audio[0] - part.audio[1]).abs().max() > 1e-4
    assert all(torch.allclose(a[picked], b, atol=1e-5) for a, b in zip(whole.maps, part.maps, strict=True))


def test_picked_frames_hear_their_own_second_through_vggish():
    net, picked = model().eval(), torch.tensor([1, 4])
    inputs = ready(net, batch(3, 2))['inputs']
    left = []
    net.backbone.register_forward_hook(lambda m, x, y: left.append(y[1]))
    with torch.no_grad():
        whole, part = net.extract_feat(inputs), net.extract_feat(inputs, picked)
    assert torch.allclose(whole.audio[picked], part.audio, atol=1e-5)
    assert (whole.audio[picked] - whole.audio[:2]).abs().max() > 1e-3
    assert all(torch.allclose(a[picked], b, atol=1e-5) for a, b in zip(whole.maps, part.maps, strict=True))
    assert left[0].shape == (5, 3, DIMS) and torch.allclose(whole.audio, sum(left[0].unbind(1)) / 3, atol=1e-6)


def test_a_rank_without_labels_has_a_connected_zero():
    net, data = model().train(), batch(2)
    for frame in data['data_samples'][0].frames:
        frame.set_metainfo(dict(has_gt=False))
        del frame.gt_sem_seg
    total, _ = net.parse_losses(net(**ready(net, data, True), mode='loss'))
    total.backward()
    assert total.item() == 0 and all(p.grad is not None for p in net.parameters() if p.requires_grad)


def test_runs_under_autocast():
    net = model().train()
    with torch.autocast('cpu', torch.bfloat16):
        losses = net(**ready(net, batch(2), True), mode='loss')
    total = sum(losses.values())
    total.backward()
    assert all(v.dtype == torch.float32 for v in losses.values()) and torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.requires_grad)


def test_the_memory_must_be_of_the_model_s_audio_backbone(tmp_path):
    """The file that the tool would write for the model is read, whatever the weights are called; one of another backbone is
    refused, with both by name."""
    net, path = model(), tmp_path / 'memory.npz'
    features = {name: np.random.default_rng(0).normal(size=(5, DIMS)) for name in CLASS_SETS['s4'][:4]}
    for other, found in ((dict(), None), (dict(weights='x.pth'), None),
                         (dict(audio_backbone='HTSAT'), r'memory\.npz: found audio_backbone HTSAT, expected VGGish')):
        settings = backbone_settings(net.audio_backbone) | other
        save_memory(path, build_memory(features, CLASS_SETS['s4'], num_clusters=2, per_cluster=2, settings=settings))
        fresh = model()
        fresh.derivation.memory.path = str(path)
        if found is None:
            fresh.init_weights()
            assert torch.isfinite(fresh.derivation.memory.centers).all(1).sum() == 4
        else:
            with pytest.raises(ValueError, match=found):
                fresh.init_weights()


def test_the_checkpoint_carries_the_memory():
    state = model().state_dict()
    assert state['derivation.memory.features'].shape == (23, 2, 2, DIMS)
    assert 'derivation.memory.centers' in state
