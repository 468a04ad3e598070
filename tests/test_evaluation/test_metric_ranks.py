"""Two processes that share the clips unevenly give the numbers of one."""
import json
import os

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp
from made_clips import evaluate, random_binary_clip, random_class_clip
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator

from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric, FrameEvaluator

BINARY = ('background', 'sounding')
CLASSES = tuple(f'class{i}' for i in range(7))


def binary_clips():
    return [random_binary_clip(i, empty=range(5) if i in (3, 4) else ()) for i in range(7)]


def class_clips():
    return [random_class_clip(i, 7, frames=2 + i % 3) for i in range(7)]


def binary_evaluator():
    return Evaluator([AVSBenchMetric(f_group=2), AVSConfusionMetric()])


def class_evaluator():
    return FrameEvaluator(dict(type='mmseg.IoUMetric'), clip_metrics=[AVSBenchMetric(task='semantic', pad_frames='count')])


CASES = ((binary_clips, binary_evaluator, BINARY), (class_clips, class_evaluator, CLASSES))


def _run(rank, folder):
    os.environ.update(WORLD_SIZE='2', RANK=str(rank), LOCAL_RANK=str(rank))
    os.chdir(folder)
    dist.init_process_group('gloo', init_method=f'file://{folder}/ranks', rank=rank, world_size=2)
    found = []
    for make_clips, make_evaluator, classes in CASES:
        clips, evaluator = make_clips(), make_evaluator()
        evaluator.dataset_meta = dict(classes=classes)
        # rank 0 gets 4 clips, rank 1 gets 3; backwards, as mmengine restores no order but that of the sampler
        for index in reversed(list(DefaultSampler(clips, shuffle=False, round_up=False))):
            evaluator.process([clips[index]])
        found.append({k: float(v) for k, v in evaluator.evaluate(len(clips)).items()})
    with open(f'rank{rank}.json', 'w', encoding='utf-8') as file:
        json.dump(found, file)
    dist.destroy_process_group()


def test_two_ranks_equal_one(tmp_path):
    mp.spawn(_run, (str(tmp_path), ), nprocs=2)
    one, other = (json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in (0, 1))
    assert one == other
    for found, (make_clips, make_evaluator, classes) in zip(one, CASES, strict=True):
        assert found == pytest.approx(evaluate(make_evaluator(), make_clips(), classes), abs=1e-9)
