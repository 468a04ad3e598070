import hashlib
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmicf.datasets.synthetic import NUM_KINDS, SOUND_PRIOR, Scene, clip_streams, draw_kinds, draw_scene, draw_states
from mmicf.datasets.synthetic_layouts import AVSS_NAMES, S4_NAMES, VPO_NAMES, ClipJob, write_clip, write_tables
from mmicf.datasets.synthetic_sound import EXAMPLE_SECONDS, SAMPLE_RATE, TIMBRES, clip_sound
from mmicf.datasets.synthetic_truth import chance_levels, choice_score, load_truth, save_truth, sounding_mask
from mmicf.utils.class_names import AVSS_CLASSES, S4_CATEGORIES, VPO_CLASSES, VPO_COCO_IDS, avss_palette

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/synthetic_avs.py'


def make(out, subset, counts=(3, 3, 3), seed=0):
    rows = [row for split, n in zip(('train', 'val', 'test'), counts, strict=True) for i in range(n)
            for row in write_clip(ClipJob(str(out), subset, split, i, seed, 48))]
    write_tables(str(out), subset, rows)
    return out


def digest(folder):
    files = sorted(p for p in folder.rglob('*') if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_tool_writes_the_same_bytes_as_one_process(tmp_path):
    args = [sys.executable, str(TOOL), str(tmp_path / 'a'), '--subset', 'ms3', '--num-train', '3', '--num-val', '1', '--num-test',
            '1', '--size', '48', '--seed', '5']
    subprocess.run(args, check=True, capture_output=True)
    made = digest(tmp_path / 'a')
    made.pop('truth/settings.json')
    assert made == digest(make(tmp_path / 'b', 'ms3', (3, 1, 1), seed=5))
    assert made != digest(make(tmp_path / 'c', 'ms3', (3, 1, 1), seed=6))
    again = subprocess.run(args, check=True, capture_output=True, text=True)
    assert 'already holds' in again.stdout


def test_the_tool_refuses_a_folder_of_others(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    done = subprocess.run([sys.executable, str(TOOL), str(tmp_path), '--num-train', '1'], capture_output=True, text=True)
    assert done.returncode == 1 and str(tmp_path) in done.stderr and (tmp_path / 'notes.txt').read_text() == 'mine'
    assert 'Traceback' not in done.stderr


def test_s4_layout(tmp_path):
    files = digest(make(tmp_path, 's4', (2, 1, 0)))
    root = 'Single-source/s4_data'
    rows = [line.split(',') for line in (tmp_path / 'Single-source/s4_meta_data.csv').read_text().splitlines()[1:]]
    expected = {'Single-source/s4_meta_data.csv'}
    for name, _, category, split in rows:
        place = f'{split}/{category}/{name}'
        expected |= {f'{root}/visual_frames/{place}/{name}_{t}.png' for t in range(1, 6)} | {f'{root}/audio_wav/{place}.wav'}
        expected |= {f'{root}/gt_masks/{place}/{name}_{t}.png' for t in (range(1, 6) if split != 'train' else [1])}
        expected.add(f'truth/{split}/{name}.npz')
    assert set(files) == expected


def test_ms3_masks_are_what_sounds(tmp_path):
    make(tmp_path, 'ms3', (2, 0, 0))
    for i in range(2):
        scene = load_truth(f'{tmp_path}/truth/train/syntrain{i:05d}.npz')
        for t in range(5):
            path = tmp_path / f'Multi-sources/ms3_data/gt_masks/train/syntrain{i:05d}/syntrain{i:05d}_{t + 1}.png'
            mask = np.asarray(Image.open(path))
            expected = np.zeros(mask.shape, bool)
            for k in np.flatnonzero(scene.sounding[t]):
                expected |= scene.instances[t] == k + 1
            assert set(np.unique(mask)) <= {0, 255} and np.array_equal(mask > 0, expected)


def test_avss_labels(tmp_path):
    make(tmp_path, 'avss')
    frames = {'v1s': 5, 'v1m': 5, 'v2': 10}
    for line in (tmp_path / 'AVSS/metadata.csv').read_text().splitlines()[1:]:
        _, uid, _, _, heard, split, label = line.split(',')
        folder = tmp_path / 'AVSS' / label / uid
        assert len(list((folder / 'frames').iterdir())) == frames[label]
        labels = sorted((folder / 'labels_semantic').iterdir())
        assert len(labels) == (1 if (label, split) == ('v1s', 'train') else frames[label])
        seen = set()
        for path in labels:
            semantic = np.asarray(Image.open(path))
            assert np.array_equal(np.asarray(Image.open(folder / 'labels_rgb' / path.name)), avss_palette()[semantic])
            seen |= {AVSS_CLASSES[i] for i in np.unique(semantic)}
        assert seen - {'background'} <= set(heard.split('_'))
        assert soundfile.info(folder / 'audio.wav').duration == frames[label]


def test_vpo_masks_and_positions(tmp_path):
    make(tmp_path, 'vpo', (9, 0, 0))
    pictures = set()
    for line in (tmp_path / 'VPO/VPO-MSMI/vpo_msmi_data_stereo.csv').read_text().splitlines()[1:]:
        image, _, name, coco, vgg, _, position, multi = line.split(',')
        folder = 'VPO-MSMI' if int(multi) else 'VPO-MS'  # a row without twins points into VPO-MS
        mask = np.asarray(Image.open(tmp_path / f'VPO/{folder}/mask/{int(image):012d}.png'))
        columns = np.flatnonzero((mask == VPO_COCO_IDS[name]).any(0))
        assert str(VPO_COCO_IDS[name]) == coco
        assert abs(columns.mean() / mask.shape[1] - float(position)) < 1e-3
        assert (tmp_path / f'vggsound_bench/VGGSound/audios/{vgg}.wav').is_file()
        pictures.add((image, multi))
    assert sorted(multi for _, multi in pictures) == ['0'] * 3 + ['1'] * 3


def test_looks_do_not_depend_on_who_sounds():
    """The same looks stream with another sounds stream gives the same picture, and the classes sound equally often."""
    frames = [draw_scene(clip_streams(0, i)[0], np.random.default_rng(s), num_frames=2, height=32, width=32)
              for i, s in ((3, 1), (3, 2))]
    assert np.array_equal(frames[0].frames, frames[1].frames) and np.array_equal(frames[0].kinds, frames[1].kinds)
    heard, shown = np.zeros(NUM_KINDS), np.zeros(NUM_KINDS)
    for i in range(3000):
        looks, sounds = clip_streams(1, i)
        kinds, states = draw_kinds(looks, 3), draw_states(sounds, 5, 3)
        np.add.at(heard, kinds, states.mean(0))
        np.add.at(shown, kinds, 1)
    assert np.abs(heard / shown - SOUND_PRIOR).max() < 0.04  # 1500 clips of each class, standard error below 0.01


def test_sound_is_loud_in_the_bands_of_who_sounds():
    rng = np.random.default_rng(0)
    kinds, states = np.array([0, 3, 5]), np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]], bool)
    wave = clip_sound(kinds, states, 5, rng)
    for t, row in enumerate(states):
        part = wave[int((t * EXAMPLE_SECONDS + .1) * SAMPLE_RATE):int(((t + 1) * EXAMPLE_SECONDS - .1) * SAMPLE_RATE)]
        power = np.abs(np.fft.rfft(part))**2
        frequency = np.fft.rfftfreq(len(part), 1 / SAMPLE_RATE)
        for kind, sounds in zip(kinds, row, strict=True):
            f0 = TIMBRES[kind][0]
            band = power[(frequency > 0.95 * f0) & (frequency < 1.05 * f0)].sum() / len(part)**2
            assert (band > 1e-4) == sounds, (t, kind, band)


def test_names_belong_to_their_sets():
    assert set(S4_NAMES) <= set(S4_CATEGORIES) and set(AVSS_NAMES) <= set(AVSS_CLASSES) and set(VPO_NAMES) <= set(VPO_CLASSES)
    assert (len(S4_CATEGORIES), len(AVSS_CLASSES), len(VPO_CLASSES)) == (23, 71, 22)
    assert [tuple(c) for c in avss_palette()[[0, 1, 2, 70]]] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (32, 128, 128)]
    assert len(np.unique(avss_palette(), axis=0)) == 71


@pytest.mark.parametrize('exclusive', [False, True])
def test_chance_levels_against_brute_force(exclusive):
    """Every guess on every frame, scored against every truth with its probability."""
    rng = np.random.default_rng(0)
    instances = rng.integers(0, 3, (2, 4, 5)).astype(np.uint8)
    sounding = np.array([[1, 0], [0, 1]], bool)
    scene = Scene(np.zeros(0), instances, np.array([0, 1]), sounding, np.zeros(0, int), np.zeros((2, 0), bool), 0.7, exclusive)
    truth = sounding_mask(scene)

    def mask(t, chosen):
        return np.isin(instances[t], [k + 1 for k, c in enumerate(chosen) if c])

    def iou(a, b):
        return (a & b).sum() / (a | b).sum()

    scores = []
    for t in range(2):
        sets = [s for s in product((0, 1), repeat=2) if any(s) and not (exclusive and sum(s) > 1)]
        prob = [0.7**sum(s) * 0.3**(2 - sum(s)) if not exclusive else 1 for s in sets]
        guesses = [s for s in product((0, 1), repeat=2) if any(s)]
        best = max(guesses, key=lambda g: sum(p * iou(mask(t, g), mask(t, s)) for p, s in zip(prob, sets, strict=True)))
        scores.append(iou(mask(t, best), truth[t]))
    found = chance_levels([scene])
    assert found['best_blind'] == pytest.approx(100 * np.mean(scores))
    assert found['all_foreground'] == pytest.approx(100 * truth.mean())


def test_chance_levels_need_a_sounding_object(tmp_path):
    scene = Scene(np.zeros(0), np.ones((1, 2, 2), np.uint8), np.array([0]), np.zeros((1, 1), bool), np.zeros(0, int),
                  np.zeros((1, 0), bool), 0.5, False)
    with pytest.raises(ValueError, match='no frame has a sounding object'):
        chance_levels([scene])
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        chance_levels(str(tmp_path))


def test_choice_score_takes_outlines_from_the_truth(tmp_path):
    """Frame 1 marks 2 of object 1's 3 pixels and 1 of object 2's 2, which is not more than half; on frame 2 nothing sounds."""
    instances = np.array([[[1, 1, 1], [2, 2, 0]], [[1, 1, 1], [2, 2, 0]], [[1, 1, 0], [2, 2, 2]]], np.uint8)
    sounding = np.array([[1, 1], [0, 0], [0, 1]], bool)
    scene = Scene(np.zeros(0), instances, np.array([0, 1]), sounding, np.zeros(0, int), np.zeros((3, 0), bool), 0.7, False)
    save_truth(str(tmp_path / 'truth/a_b.npz'), scene)
    masks = np.array([[[1, 1, 0], [1, 0, 1]], [[1, 1, 1], [1, 1, 1]], [[1, 0, 1], [1, 1, 0]]], np.uint8)
    (tmp_path / 'masks/a_b').mkdir(parents=True)
    for t, mask in enumerate(masks, 1):
        Image.fromarray(255 * mask).save(tmp_path / f'masks/a_b/a_b_{t}.png')
    found = choice_score(str(tmp_path / 'masks'), str(tmp_path / 'truth'))
    assert found == pytest.approx(100 * np.mean([3 / 5, 1]))  # objects {1} of {1, 2}, then {2} of {2}
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / 'masks/a_b/a_b_1.png')
    with pytest.raises(ValueError, match=r'a_b_1\.png: found a mask of shape \(3, 3\), expected \(2, 3\)'):
        choice_score(str(tmp_path / 'masks'), str(tmp_path / 'truth'))
    (tmp_path / 'masks/a_b/a_b_1.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'a_b_1\.png'):
        choice_score(str(tmp_path / 'masks'), str(tmp_path / 'truth'))
