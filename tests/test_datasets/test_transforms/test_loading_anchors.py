"""Cached anchors from a clip's file to the rows of a batch."""
import json

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmicf.models import AVDataPreprocessor
from mmicf.registry import TRANSFORMS


def clip(name, frames):
    return dict(
        clip_id=name, subset='ms3', num_frames=frames, sample_idx=0, audio=[], has_gt=[False] * frames,
        frames=[np.zeros((4, 6, 3), np.uint8)] * frames, frame_paths=[''] * frames, mask_paths=[None] * frames, ori_shape=(4, 6),
        img_shape=(4, 6))


def packed(results, folder=None, **options):
    init_default_scope('mmicf')
    steps = [dict(type='LoadAnchors', anchor_dir=str(folder), **options)] if folder else []
    for step in [*steps, dict(type='PackAVSInputs', keys=())]:
        results = TRANSFORMS.build(step).transform(results)
    return results


def write(folder, name, **arrays):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f'{name}.npz', **arrays)


def test_rows_of_a_batch_are_the_clips_anchors_one_after_another(tmp_path):
    rng = np.random.default_rng(0)
    image = {'v1s/a': rng.normal(size=(3, 4)).astype(np.float16), 'b.0': rng.normal(size=(2, 4))}
    for name, array in image.items():
        write(tmp_path, name, image_anchor=array, audio_anchor=array[:, :2] * 10)
    items = [packed(clip(name, len(array)), tmp_path) for name, array in image.items()]
    batch = AVDataPreprocessor()(pseudo_collate(items))['inputs']
    rows = np.concatenate([array.astype(np.float32) for array in image.values()])
    assert batch.image_anchor.dtype == batch.audio_anchor.dtype == batch.frames.dtype
    np.testing.assert_array_equal(batch.image_anchor.numpy(), rows)
    np.testing.assert_allclose(batch.audio_anchor.numpy(), rows[:, :2] * 10, rtol=1e-3)
    assert batch.clip_index.tolist() == [0, 0, 0, 1, 1]


def test_one_kind_alone_and_none(tmp_path):
    write(tmp_path, 'a', audio_anchor=np.ones((2, 5), np.float32))
    batch = AVDataPreprocessor()(pseudo_collate([packed(clip('a', 2), tmp_path)]))['inputs']
    assert batch.image_anchor is None and batch.audio_anchor.shape == (2, 5)
    batch = AVDataPreprocessor()(pseudo_collate([packed(clip('a', 2))]))['inputs']
    assert batch.image_anchor is None and batch.audio_anchor is None


def test_batches_where_only_some_clips_have_anchors(tmp_path):
    write(tmp_path, 'a', audio_anchor=np.ones((2, 5), np.float32))
    items = [packed(clip('a', 2), tmp_path), packed(clip('b', 2))]
    with pytest.raises(ValueError, match=r"audio_anchor is missing for clips \['b'\]"):
        AVDataPreprocessor()(pseudo_collate(items))


def test_settings_of_the_folder_are_checked(tmp_path):
    write(tmp_path, 'a', audio_anchor=np.ones((2, 5), np.float32))
    with pytest.raises(FileNotFoundError, match=r'settings\.json: no settings'):
        packed(clip('a', 2), tmp_path, settings=dict(clap='one.pt'))
    (tmp_path / 'settings.json').write_text(json.dumps(dict(dataset='ms3', clap='one.pt')))
    assert packed(clip('a', 2), tmp_path, settings=dict(clap='one.pt'))['inputs'].audio_anchor.shape == (2, 5)
    with pytest.raises(ValueError, match=r"settings\.json: found {'clap': 'one.pt'}, expected {'clap': 'two.pt'}"):
        packed(clip('a', 2), tmp_path, settings=dict(clap='two.pt'))
    with pytest.raises(ValueError, match=r"found {'clip': None}"):
        packed(clip('a', 2), tmp_path, settings=dict(clip='c.bin'))
