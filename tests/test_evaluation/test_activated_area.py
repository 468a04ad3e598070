import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.evaluation import ActivatedAreaMetric


def sample(*masks):
    frames = []
    for mask in masks:
        frame = SegDataSample()
        frame.pred_sem_seg = PixelData(data=torch.tensor(mask)[None])
        frames.append(frame)
    return dict(frames=frames)


def test_every_frame_weighs_alike_and_any_class_counts():
    metric = ActivatedAreaMetric()
    metric.process({}, [sample([[0, 1], [0, 0]]), sample([[0, 0], [0, 0]], [[7, 1], [3, 2]])])
    assert len(metric.results) == 2  # one result per clip
    assert metric.compute_metrics(metric.results)['area'] == pytest.approx(100 * (0.25 + 0 + 1) / 3)
