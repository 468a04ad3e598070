"""The files that are written are the predictions that are scored."""
from pathlib import Path

import numpy as np
import pytest
from made_clips import evaluate, make_clip, random_binary_clip, random_class_clip
from PIL import Image

from mmicf.evaluation import AVSBenchMetric, AVSPredictionWriter

BINARY = ('background', 'sounding')
CLASSES = tuple(f'class{i}' for i in range(7))


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob('*.png'))


def test_binary_files_give_the_printed_j(tmp_path):
    clips = [random_binary_clip(i, frames=3, empty=(1,), missing=(2,)) for i in range(4)]
    printed = evaluate([AVSBenchMetric(), AVSPredictionWriter(out_dir=str(tmp_path))], clips, BINARY)['J']
    assert files(tmp_path) == [f'clip{i:03d}/clip{i:03d}_{k}.png' for i in range(4) for k in (1, 2, 3)]
    read = []
    for clip in clips:
        masks = [np.asarray(Image.open(tmp_path / clip.clip_id / f'{clip.clip_id}_{k}.png')) for k in (1, 2, 3)]
        assert set(np.unique(masks)) == {0, 255}
        gts = [f.gt_sem_seg.data[0].numpy() if f.has_gt else None for f in clip.frames]
        read.append(make_clip(clip.sample_idx, gts=gts, scores=[mask / 255 for mask in masks]))
    assert evaluate(AVSBenchMetric(), read, BINARY)['J'] == pytest.approx(printed, abs=1e-9)


def test_class_files_hold_ids_and_the_palette(tmp_path):
    clips = [random_class_clip(i, 7, frames=2, subset='v2') for i in range(2)]
    palette = [[i, 10 * i, 255 - i] for i in range(7)]
    printed = evaluate([AVSBenchMetric(task='semantic'), AVSPredictionWriter(out_dir=str(tmp_path))], clips, CLASSES,
                       palette=palette)['J']
    assert files(tmp_path) == ['clip000/0.png', 'clip000/1.png', 'clip001/0.png', 'clip001/1.png']
    read = []
    for clip in clips:
        images = [Image.open(tmp_path / clip.clip_id / f'{t}.png') for t in range(2)]
        assert all(image.mode == 'P' for image in images)
        ids = [np.asarray(image) for image in images]
        assert np.array_equal(np.asarray(images[0].convert('RGB')), np.asarray(palette)[ids[0]])
        read.append(make_clip(clip.sample_idx, gts=[f.gt_sem_seg.data[0].numpy() for f in clip.frames], preds=ids))
    assert evaluate(AVSBenchMetric(task='semantic'), read, CLASSES)['J'] == pytest.approx(printed, abs=1e-9)


def test_s4_has_its_category_above_the_clip(tmp_path):
    path = 's4_data/visual_frames/test/dog_barking/clip000/clip000_{}.png'
    evaluate(AVSPredictionWriter(out_dir=str(tmp_path)), [random_binary_clip(0, frames=1, subset='s4', img_path=path)], BINARY)
    assert files(tmp_path) == ['dog_barking/clip000/clip000_1.png']


def test_labels_are_written_where_a_model_gives_no_score(tmp_path):
    pred = np.eye(3, dtype=int)
    evaluate(AVSPredictionWriter(out_dir=str(tmp_path)), [make_clip(0, gts=[None], preds=[pred])], BINARY)
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'clip000/clip000_1.png')), 255 * pred)


@pytest.mark.parametrize('clip_id', ['../outside', '/tmp/outside'])
def test_clip_ids_stay_in_the_folder(tmp_path, clip_id):
    with pytest.raises(ValueError, match='leads out'):
        evaluate(AVSPredictionWriter(out_dir=str(tmp_path / 'in')), [random_binary_clip(0, clip_id=clip_id)], BINARY)
    assert not Path(tmp_path / 'outside').exists()


def test_a_missing_prediction_is_named(tmp_path):
    with pytest.raises(ValueError, match='clip clip000, frame 0'):
        evaluate(AVSPredictionWriter(out_dir=str(tmp_path)), [make_clip(0, gts=[None])], BINARY)
