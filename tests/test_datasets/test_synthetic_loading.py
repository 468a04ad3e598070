"""Synthetic sets go through the dataset classes, and what is loaded is what the generator knows."""
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import nnls

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset, VPODataset
from mmicf.datasets.synthetic_layouts import AVSS_NAMES, S4_NAMES, VPO_NAMES, ClipJob, write_clip, write_tables
from mmicf.datasets.synthetic_sound import SAMPLE_RATE, TIMBRES, timbre
from mmicf.datasets.synthetic_truth import load_truth
from mmicf.utils.class_names import AVSS_CLASSES, VPO_CLASSES
from mmicf.utils.log_mel import LOG_OFFSET, vggish_log_mel

COUNTS = {'train': 6, 'val': 3, 'test': 3}
CLASSES = {'s4': (AVSBenchS4Dataset, 'Single-source', {}), 'ms3': (AVSBenchMS3Dataset, 'Multi-sources', {}),
           'avss': (AVSBenchSemanticDataset, 'AVSS', {}), 'vpo-ss': (VPODataset, 'VPO', {'subset': 'ss'}),
           'vpo-ms': (VPODataset, 'VPO', {'subset': 'ms'}), 'vpo-msmi': (VPODataset, 'VPO', {'subset': 'msmi'})}


@pytest.fixture(scope='module')
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp('synthetic')
    for subset in ('s4', 'ms3', 'avss', 'vpo'):
        out = str(root / subset)
        rows = [row for split, count in COUNTS.items() for i in range(count)
                for row in write_clip(ClipJob(out, subset, split, i, 0, 48))]
        write_tables(out, subset, rows)
    return root


def load(sets: Path, name: str, split: str, **options) -> list[tuple[dict, object]]:
    """Loaded clips of a split with their truths."""
    cls, folder, fixed = CLASSES[name]
    root = sets / name.split('-')[0]
    sound = [{'type': 'LoadAudio', 'mono': False, 'duration': 3.0}] if cls is VPODataset else [
        {'type': 'LoadAudio'}, {'type': 'LogMel', 'max_missing': 0}]
    dataset = cls(data_root=str(root / folder), split=split, **fixed, **options,
                  pipeline=[{'type': 'LoadFrames'}, {'type': 'LoadMasks'}, *sound])
    clips = [dataset[i] for i in range(len(dataset))]
    assert clips
    return [(clip, load_truth(str(truth_path(root, clip)))) for clip in clips]


def truth_path(root: Path, clip: dict) -> Path:
    name = clip['clip_id']
    if clip['subset'].startswith('vpo'):
        part = 'ms' if name.endswith('-ms') else clip['subset'].removeprefix('vpo-')
        name = f'vpo-{part}_{int(name.split("_")[0].removesuffix("-ms"))}'
    (path,) = root.glob(f'truth/*/{name}.npz')
    return path


def mean_spectrum(example: np.ndarray) -> np.ndarray:
    """Log-mel example (96, 64) to mean magnitudes (64,)."""
    return (np.exp(example.astype(float)) - LOG_OFFSET).mean(axis=0).clip(0)


@pytest.mark.parametrize('split', COUNTS)
@pytest.mark.parametrize('name', ['s4', 'ms3', 'avss'])
def test_masks_and_sounds_of_videos_agree_with_the_truth(sets, name, split):
    """The mask of frame t is what sounds, and example t is made up of the timbres of the classes that sound then."""
    rng = np.random.default_rng(0)
    spectra = np.stack([mean_spectrum(vggish_log_mel(timbre(k, SAMPLE_RATE, rng))[0, 0]) for k in range(len(TIMBRES))], 1)
    clips = load(sets, name, split)
    assert len(clips) == COUNTS[split]
    for clip, truth in clips:
        labelled = 1 if split == 'train' and clip['subset'] in ('s4', 'v1s') else clip['num_frames']
        assert clip['has_gt'] == [t < labelled for t in range(clip['num_frames'])]
        assert len(truth.sounding) == clip['num_frames'] == len(clip['log_mel'])
        ids = [AVSS_CLASSES.index(AVSS_NAMES[k]) if name == 'avss' else 1 for k in truth.kinds]
        for t, example in enumerate(clip['log_mel'][:, 0]):
            if clip['has_gt'][t]:
                expected = np.zeros(clip['ori_shape'], np.uint8)
                for k in np.flatnonzero(truth.sounding[t]):
                    expected[truth.instances[t] == k + 1] = ids[k]
                np.testing.assert_array_equal(clip['masks'][t], expected)
            heard = {*truth.kinds[truth.sounding[t]], *truth.offscreen_kinds[truth.offscreen[t]]}
            # measured on 600 examples: at least 0.53 for a class that sounds, at most 0.11 for others; a value between
            # means that the state changed too early or too late
            gains, _ = nnls(spectra, mean_spectrum(example))
            assert all(gain > 0.4 if kind in heard else gain < 0.2 for kind, gain in enumerate(gains)), (t, heard, gains)


def test_s4_folders_name_the_only_class_that_sounds(sets):
    for clip, truth in load(sets, 's4', 'train'):
        assert truth.exclusive and (truth.sounding == truth.sounding[0]).all() and truth.sounding[0].sum() == 1
        assert clip['category'] == S4_NAMES[truth.kinds[truth.sounding[0]][0]]


def test_avss_splits_mix_the_labels_and_are_not_square(sets):
    for split in COUNTS:
        clips = load(sets, 'avss', split)
        assert {clip['subset'] for clip, _ in clips} == {'v1s', 'v1m', 'v2'}
        assert {clip['ori_shape'] for clip, _ in clips} == {(48, 64)}


@pytest.mark.parametrize('split, expected', [('train', 2), ('test', 2)])  # val belongs to test
@pytest.mark.parametrize('subset', ['ss', 'ms', 'msmi'])
def test_vpo_masks_agree_with_the_truth(sets, subset, split, expected):
    clips = load(sets, f'vpo-{subset}', split, channels='stereo')
    assert len(clips) == expected * (2 if subset == 'msmi' else 1)  # MSMI lists the pictures of MS too
    for clip, truth in clips:
        mask = np.zeros(clip['ori_shape'], np.uint8)
        for k in np.flatnonzero(truth.sounding[0]):
            mask[truth.instances[0] == k + 1] = VPO_CLASSES.index(VPO_NAMES[truth.kinds[k]])
        np.testing.assert_array_equal(clip['masks'][0], mask)
        assert mask.any() and len(clip['audio']) == truth.sounding.sum() and not truth.offscreen.size


def test_the_louder_channel_tells_which_twin_sounds(sets):
    """Of two objects of one class, the one nearer to the place that the two channels' energies give is the one that
    sounds."""
    twins = 0
    for split in ('train', 'test'):
        for clip, truth in load(sets, 'vpo-msmi', split, channels='stereo'):
            if clip['clip_id'].endswith('-ms'):
                assert len(set(truth.kinds)) == 3
                continue
            assert truth.kinds[0] == truth.kinds[1] and truth.sounding.sum() == 1
            left, right = np.sqrt((clip['waveform']**2).mean(axis=1))
            centres = [np.nonzero(truth.instances[0] == k + 1)[1].mean() / clip['ori_shape'][1] for k in range(3)]
            nearest = np.abs(np.array(centres) - right / (left + right)).argmin()
            assert nearest == truth.sounding[0].argmax()
            twins += 1
    assert twins == 4
