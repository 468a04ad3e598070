"""Maskiges travel with their frames."""
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image

from mmicf.datasets.transforms import (
    ClipPhotoMetricDistortion,
    ClipRandomCrop,
    ClipRandomFlip,
    ClipResize,
    LoadMaskiges,
    PackAVSInputs,
)


@pytest.fixture
def clip(tmp_path):
    init_default_scope('mmicf')
    rng = np.random.default_rng(0)
    frames, paths = [], []
    for i in range(2):
        paths.append(tmp_path / f'data/a/{i}.jpg')
        frames.append(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        out = tmp_path / f'maskiges/a/{i}.png'
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frames[-1]).save(out)  # equal to the frame: what moves them moves both alike
    return dict(clip_id='a', subset='ms3', sample_idx=0, num_frames=2, frame_paths=[str(p) for p in paths], frames=frames, audio=[],
                mask_paths=[None] * 2, has_gt=[False] * 2, ori_shape=(8, 10), img_shape=(8, 10), rng=np.random.default_rng(1))


def load(tmp_path):
    return LoadMaskiges(data_root=str(tmp_path / 'data'), maskige_root=str(tmp_path / 'maskiges'))


def test_maskiges_move_with_the_frames_and_keep_their_colours(clip, tmp_path):
    results = load(tmp_path).transform(clip)
    for step in (ClipRandomFlip(prob=1.), ClipRandomCrop(size=(6, 12)), ClipResize(size=(12, 24))):
        results = step.transform(results)
        assert all(np.array_equal(a, b) for a, b in zip(results['frames'], results['maskiges'], strict=True))
    before = [m.copy() for m in results['maskiges']]
    for _ in range(5):
        results = ClipPhotoMetricDistortion().transform(results)
    assert all(np.array_equal(a, b) for a, b in zip(results['maskiges'], before, strict=True))
    packed = PackAVSInputs(keys=()).transform(results)['inputs']
    assert packed.maskiges.shape == packed.frames.shape == (2, 3, 12, 24)
    assert np.array_equal(packed.maskiges[1].permute(1, 2, 0).numpy(), before[1])


def test_faults_name_the_file(clip, tmp_path):
    with pytest.raises(ValueError, match=r'0\.jpg: found a frame outside of data_root'):
        LoadMaskiges(data_root='elsewhere', maskige_root='x').transform(clip)
    Image.fromarray(np.zeros((4, 10, 3), np.uint8)).save(tmp_path / 'maskiges/a/1.png')
    with pytest.raises(ValueError, match=r'1\.png: found a maskige of 4x10, expected 8x10'):
        load(tmp_path).transform(clip)
    (tmp_path / 'maskiges/a/0.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'0\.png'):
        load(tmp_path).transform(clip)
    with pytest.raises(ValueError, match='before geometric transforms'):
        load(tmp_path).transform({**clip, 'img_shape': (4, 5)})
