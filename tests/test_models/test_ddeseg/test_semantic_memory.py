import logging
import re

import numpy as np
import pytest
import torch

from mmicf.models.audio_backbones import HTSAT, VGGish
from mmicf.models.ddeseg import SemanticMemory, backbone_settings, build_memory, load_memory, memory_from_bank, save_memory
from mmicf.models.ddeseg import memory as memory_module

SETTINGS = dict(audio_backbone='VGGish', weights='vggish.pth', front_end=None, source='test')


def blobs(rng, places, n, d=6):
    """n points around each place on the first axis; returns (places · n, d)."""
    return np.concatenate([rng.normal(0, 0.1, (n, d)) + 10 * p * np.eye(d)[0] for p in places])


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return {'a': blobs(rng, (0, 1, 2), 7), 'c': rng.normal(size=(2, 6))}


def build(features, **options):
    options = dict(num_clusters=3, per_cluster=4, settings=SETTINGS) | options
    return build_memory(features, ('a', 'b', 'c'), **options)


def members(x, place):
    """A plain search: all points of a blob by distance to the blob's mean (Eq. 3, 4)."""
    own = [p for p in x if abs(p[0] - 10 * place) < 5]
    centroid = sum(own) / len(own)
    return sorted(own, key=lambda p: float(((p - centroid)**2).sum()))


@pytest.mark.parametrize('library', ['scikit-learn', 'scipy'])
def test_centres_and_nearest_features_of_each_cluster(features, library, monkeypatch):
    if library == 'scipy':
        monkeypatch.setattr(memory_module, '_sklearn', lambda: None)
    memory = build(features)
    assert memory.settings['kmeans'] == library and memory.settings['counts'] == [21, 0, 2]
    np.testing.assert_allclose(memory.centers[0], sum(features['a']) / 21, rtol=1e-5, atol=1e-6)  # Eq. 2
    clusters = sorted(memory.features[0], key=lambda c: c[0, 0])
    for place, cluster in enumerate(clusters):
        np.testing.assert_allclose(cluster, members(features['a'], place)[:4], rtol=1e-5, atol=1e-5)
    again = build(features)
    assert np.array_equal(again.features, memory.features)


def test_few_and_no_features(features):
    memory = build(features)
    assert np.isinf(memory.centers[1]).all() and not memory.features[1].any()
    pool = features['c'].astype(np.float32)  # two features fill 3 clusters of 4
    assert all(any(np.array_equal(row, p) for p in pool) for row in memory.features[2].reshape(-1, 6))
    assert len(np.unique(memory.features[2].reshape(-1, 6), axis=0)) == 2
    with pytest.raises(ValueError, match=r"\['z'\]"):
        build({'z': np.zeros((2, 6))})
    with pytest.raises(ValueError, match='at least one class'):
        build({})
    with pytest.raises(ValueError, match='not finite'):
        build({'a': np.full((2, 6), np.nan)})


def buffers(path, **options):
    return SemanticMemory(**dict(path=str(path), classes=('a', 'b', 'c'), num_clusters=3, per_cluster=4, embed_dims=6) | options)


def test_file_is_checked_and_a_checkpoint_replaces_it(features, tmp_path):
    path = tmp_path / 'deep/memory.npz'
    save_memory(path, build(features))
    loaded = load_memory(path)
    assert loaded.settings['audio_backbone'] == 'VGGish' and loaded.features.shape == (3, 3, 4, 6)
    model = buffers(path)
    with pytest.raises(RuntimeError, match='build_semantic_memory'):
        model.nearest(torch.zeros(1, 6), 1)
    model.init_weights()
    np.testing.assert_array_equal(model.features, loaded.features)
    other = buffers('not there')
    other.load_state_dict(model.state_dict())  # a trained checkpoint carries the memory
    x = torch.randn(5, 6)
    assert torch.equal(other.nearest(x, 2), model.nearest(x, 2))
    for wrong, text in ((dict(classes=('a', 'b', 'd')), 'classes'), (dict(per_cluster=5), 'shape'), (dict(embed_dims=7), 'shape')):
        with pytest.raises(ValueError, match=text):
            buffers(path, **wrong).init_weights()
    with pytest.raises(FileNotFoundError, match='build_semantic_memory'):
        other.init_weights()
    with pytest.raises(ValueError, match='avss'):
        buffers(path, classes='ave')
    np.savez(tmp_path / 'bad.npz', centers=np.zeros(3))
    with pytest.raises(ValueError, match='no semantic memory'):
        load_memory(tmp_path / 'bad.npz')


def test_a_memory_of_another_audio_backbone_is_refused(features, tmp_path):
    path, mel = tmp_path / 'memory.npz', dict(sample_rate=22050, hop_size=256)
    save_memory(path, build(features, settings=dict(audio_backbone='HTSAT', weights='a.ckpt', front_end=mel)))
    own = dict(audio_backbone='HTSAT', weights='a.ckpt', front_end=mel)
    for other, text in ((dict(), None), (dict(audio_backbone='VGGish'), 'audio_backbone HTSAT, expected VGGish'),
                        (dict(front_end=dict(mel, hop_size=480)), "front_end .*256.*, expected .*'hop_size': 480")):
        model = buffers(path)
        model.backbone = own | other
        if text is None:
            model.init_weights()
        else:
            with pytest.raises(ValueError, match=rf'memory\.npz: found {text}'):
                model.init_weights()


@pytest.mark.parametrize('weights, warned', [
    (dict(checkpoint='w/HTSAT_AudioSet_Saved_1_clean.ckpt'), None), (dict(), 'while the config names None'),
    (dict(init_cfg=dict(type='Pretrained', checkpoint='w/converted.pth')), r'while the config names converted\.pth')])
def test_the_published_bank_fits_converted_weights_with_a_warning(weights, warned, tmp_path, monkeypatch):
    """Weights that convert_checkpoint.py wrote have any name, and those of load_from have none."""
    logged = []
    monkeypatch.setattr(memory_module, 'print_log', lambda message, logger, level: logged.append((message, level)))
    path = tmp_path / 'bank.npy'
    np.save(path, np.random.default_rng(0).normal(size=(71, 4, 6)))
    model = buffers(path, classes='avss+background', num_clusters=1)
    model.backbone = backbone_settings(HTSAT(base_dims=4, depths=(1, 1, 1, 1), **weights))
    model.init_weights()
    assert torch.isfinite(model.features).all() and len(logged) == (warned is not None)
    for message, level in logged:
        assert level == logging.WARNING
        assert re.search(rf'bank\.npy: made with the audio weights HTSAT_AudioSet_Saved_1_clean\.ckpt, {warned}', message)


def test_settings_of_audio_backbones():
    vggish = dict(channels=(4, 4, 4, 4), hidden_dims=8, out_dims=6)
    assert backbone_settings(VGGish(**vggish)) == dict(audio_backbone='VGGish', weights=None, front_end=None)
    assert backbone_settings(VGGish(**vggish, checkpoint='weights/v.pth'))['weights'] == 'v.pth'
    assert backbone_settings(VGGish(**vggish, init_cfg=dict(type='Pretrained', checkpoint='w/p.pth')))['weights'] == 'p.pth'
    mel = [backbone_settings(HTSAT(base_dims=4, depths=(1, 1, 1, 1), front_end=name))['front_end'] for name in ('ddeseg', 'laion')]
    assert mel[0] == dict(sample_rate=22050, hop_size=256, fmin=50, fmax=11025, tile_seconds=1) and mel[1]['hop_size'] == 480


def test_nearest_by_plain_search_and_silent_classes_never(features):
    model = buffers('random')
    memory = build(features)
    model.centers.copy_(torch.from_numpy(memory.centers))
    x = torch.randn(9, 6)
    for row, found in zip(x.tolist(), model.nearest(x, 2).tolist(), strict=True):
        distance = {c: sum((a - b)**2 for a, b in zip(row, memory.centers[c].tolist(), strict=True)) for c in (0, 2)}
        assert found == sorted(distance, key=distance.get)
    with pytest.raises(RuntimeError, match='only 2 of 3'):
        fresh = buffers('random')
        fresh.centers.copy_(model.centers)
        fresh.nearest(x, 3)


def test_random_memory_is_the_same_everywhere():
    assert torch.equal(buffers('random').features, buffers('random').features)


def test_published_bank_becomes_one_cluster():
    bank = np.random.default_rng(0).normal(size=(71, 5, 8))
    memory = memory_from_bank(bank)
    assert memory.features.shape == (71, 1, 5, 8) and memory.settings['classes'][0] == 'background'
    np.testing.assert_allclose(memory.centers[3], sum(bank[3]) / 5, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r'\(71, M, d\)'):
        memory_from_bank(bank[:70])
    with pytest.raises(ValueError, match='not finite'):
        memory_from_bank(np.full((71, 5, 8), np.nan))
