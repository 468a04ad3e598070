"""AVSRobustMetric: the scores of AVSBenchMetric, and the marked area of the same frames."""
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.evaluation import AVSBenchMetric, AVSRobustMetric


def clip(index, scores, gts, pred=None):
    frames = []
    for k, (score, gt) in enumerate(zip(scores, gts, strict=True)):
        frame = SegDataSample(
            metainfo=dict(clip_id=f'c{index}', frame_idx=k, has_gt=gt is not None, img_shape=(4, 4), ori_shape=(4, 4)))
        frame.av_score = PixelData(data=torch.from_numpy(score)[None])
        frame.pred_sem_seg = PixelData(data=torch.from_numpy((score > 0.5).astype(np.int64) * 2)[None])
        if gt is not None:
            frame.gt_sem_seg = PixelData(data=torch.from_numpy(gt)[None])
        frames.append(frame)
    return dict(sample_idx=index, clip_id=f'c{index}', subset='ms3', num_frames=len(frames), frames=frames)


def test_area_and_empty_j_beside_the_usual_scores():
    rng = np.random.default_rng(0)
    clips = [clip(i, [rng.random((4, 4)).astype(np.float32) for _ in range(3)],
                  [rng.integers(0, 2, (4, 4)) if k else None for k in range(3)]) for i in range(2)]
    usual, robust = AVSBenchMetric(), AVSRobustMetric()
    for metric in (usual, robust):
        for i in (0, 1):  # batches of one clip each
            metric.process({}, clips[i:i + 1])
    expected, found = usual.compute_metrics(usual.results), robust.compute_metrics(robust.results)
    assert {k: found[k] for k in expected} == expected
    marked = np.mean([(f.av_score.data.numpy() > 0.5).mean() for c in clips for f in c['frames']])
    assert found['area'] == pytest.approx(100 * marked) and found['empty_J'] == pytest.approx(100 * (1 - marked))
    empty = AVSBenchMetric()  # J against empty masks by the protocol, over the same frames
    empty.process({}, [clip(i, [f.av_score.data[0].numpy() for f in c['frames']], [np.zeros((4, 4), np.int64)] * 3)
                       for i, c in enumerate(clips)])
    assert empty.compute_metrics(empty.results)['J'] == pytest.approx(found['empty_J'])


def test_every_frame_counts_alike_and_a_tie_is_not_marked():
    """Clips of 5 and 10 frames, as AVSS has them; what lies at the threshold itself is not above it."""
    metric = AVSRobustMetric()
    for index, (score, frames) in enumerate(((1., 5), (0.5, 10))):
        metric.process({}, [clip(index, [np.full((4, 4), score, np.float32)] * frames, [np.ones((4, 4), np.int64)] * frames)])
    assert metric.compute_metrics(metric.results)['area'] == pytest.approx(100 * 5 / 15)


def test_semantic_area_counts_what_is_not_background():
    metric = AVSRobustMetric(task='semantic', absent='skip')
    metric.dataset_meta = dict(classes=('background', 'a', 'b'))
    score = np.zeros((4, 4), np.float32)
    score[0] = 1
    metric.process({}, [clip(0, [score], [np.zeros((4, 4), np.int64)])])
    assert metric.compute_metrics(metric.results)['area'] == 25
