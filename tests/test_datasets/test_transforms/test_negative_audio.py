"""Noise in place of sound, and clips whose sound belongs to nothing in view."""
import numpy as np
import pytest
import soundfile
from mmengine.registry import init_default_scope

from mmicf.datasets.transforms import NegativeAudio, NoiseAudio


def results(tmp_path, seed, category='dog', donor_category='cat'):
    init_default_scope('mmicf')
    soundfile.write(tmp_path / 'donor.wav', np.full(16000, 0.25), 16000, subtype='FLOAT')
    return dict(clip_id='a', category=category, has_gt=[True, False], masks=[np.ones((2, 2), np.uint8), None],
                waveform=np.full((1, 16000), 0.5, np.float32), sample_rate=16000, rng=np.random.default_rng(seed),
                get_donor=lambda rng: dict(clip_id='b', category=donor_category if rng.random() < 0.5 else 'dog',
                                           audio=[dict(path=str(tmp_path / 'donor.wav'), position=None)]))


def test_noise_has_the_sound_s_loudness(tmp_path):
    out = NoiseAudio().transform(results(tmp_path, 0))['waveform']
    assert np.sqrt(np.mean(out.astype(np.float64)**2)) == pytest.approx(0.5, rel=1e-4) and abs(np.mean(out)) < 0.02
    silent = results(tmp_path, 0)
    silent['waveform'][:] = 0
    assert np.sqrt(np.mean(NoiseAudio().transform(silent)['waveform']**2)) == pytest.approx(0.01, rel=1e-3)


def test_shares_of_negative_clips_and_their_empty_masks(tmp_path):
    kinds = {'own': 0, 'silent': 0, 'other': 0}
    for seed in range(400):
        out = NegativeAudio(prob=0.5).transform(results(tmp_path, seed))
        kind = {0.5: 'own', 0.0: 'silent', 0.25: 'other'}[round(float(out['waveform'][0, 100]), 2)]
        kinds[kind] += 1
        assert out['masks'][0].any() == (kind == 'own') and out['masks'][1] is None
    assert abs(kinds['own'] - 200) < 40 and abs(kinds['silent'] - 100) < 35 and abs(kinds['other'] - 100) < 35


def test_the_other_sound_is_drawn_until_no_class_is_shared(tmp_path):
    drawn = []

    def donor(rng):
        drawn.append(rng.random() < 0.5)
        path = str(tmp_path / 'donor.wav')
        return dict(clip_id='b', category='cat' if drawn[-1] else 'dog', audio=[dict(path=path, position=None)])

    for seed in range(30):
        drawn.clear()
        clip = results(tmp_path, seed)
        clip['get_donor'] = donor
        NegativeAudio(prob=1.).transform(clip)
        assert not drawn or (drawn[-1] and not any(drawn[:-1]))


def test_wrong_places(tmp_path):
    clip = results(tmp_path, 0)
    del clip['masks']
    with pytest.raises(ValueError, match='after LoadMasks'):
        NegativeAudio().transform(clip)
    with pytest.raises(ValueError, match='prob'):
        NegativeAudio(prob=2.)
