#!/usr/bin/env python
"""Scores a folder of saved masks, ours or another author's, in both metric families.

    python tools/analysis_tools/eval_predictions.py PRED_DIR --dataset ms3 --root data/AVSBench/Multi-sources

Masks are looked for where ``tools/test.py --out`` writes them, ``{clip_id}/{name}_{1..T}.png`` for binary sets (S4 below its
category) and ``{clip_id}/{0..T-1}.png`` for semantic ones, and under the names of the set's own ground truth. They are PNG of 0 and
255 or of 0 and 1 (binary), of class ids, or in the VOC palette. Masks of another size than the ground truth are compared at its
size (nearest pixel), or at ``--size``. F of hard masks is not F of scores: there is one threshold, so it is lower or equal.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmengine.utils import ProgressBar
from mmseg.structures import SegDataSample
from PIL import Image

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset, VPODataset
from mmicf.datasets.transforms import LoadMasks
from mmicf.datasets.transforms.geometric import resize
from mmicf.datasets.transforms.loading_frames import load_mask
from mmicf.evaluation import AVSBenchMetric, AVSConfusionMetric

SETS = {'s4': AVSBenchS4Dataset, 'ms3': AVSBenchMS3Dataset, 'avss': AVSBenchSemanticDataset, 'vpo': VPODataset}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='folder of masks')
    parser.add_argument('--dataset', required=True, choices=list(SETS))
    parser.add_argument('--root', required=True, help="the set's data_root")
    parser.add_argument('--split', default='test')
    parser.add_argument('--subset', default='ms', help='of VPO: ss, ms or msmi')
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'), help='score at this size, e.g. 224 224')
    parser.add_argument('--empty-gt', choices=['pixel_acc', 'skip'], default='pixel_acc', help='J of frames with empty truth')
    parser.add_argument('--per-class', help='csv or json file of class scores (semantic sets)')
    return parser.parse_args()


def candidates(folder: Path, clip: dict, index: int, binary: bool) -> list[Path]:
    """Where the mask of a clip's frame may lie."""
    name, truth = Path(clip['clip_id']).name, Path(clip['mask_paths'][index])
    places = [Path(clip['clip_id'])]
    if clip['subset'] == 's4':
        places = [Path(clip['category']) / name, Path(clip['clip_id'])]
    if clip['subset'] in ('v1s', 'v1m', 'v2'):
        places.append(Path(clip['subset']) / clip['clip_id'])
    names = [f'{name}_{index + 1}.png'] if binary else [f'{index}.png']
    return list(dict.fromkeys(folder / place / file for place in places for file in (*names, truth.name)))


def read_prediction(path: Path, clip: dict) -> np.ndarray:
    """Class ids (H, W) of a saved mask.

    Raises:
        ValueError: it holds what no mask of the set may hold.
    """
    if clip['mask_mode'] == 'binary':
        return load_mask(str(path), 'binary', clip['num_classes'])
    with Image.open(path) as image:
        mode = 'palette' if image.mode in ('RGB', 'RGBA') else 'index'
    return load_mask(str(path), mode, clip['num_classes'])


def sample_of(clip: dict, index: int, folder: Path, size: tuple[int, int] | None, missing: list[str]) -> dict | None:
    """A clip as metrics receive it, or None if a mask is missing."""
    frames, binary = [], clip['mask_mode'] == 'binary'
    for i, has_gt in enumerate(clip['has_gt']):
        if not has_gt:
            continue
        places = candidates(folder, clip, i, binary)
        found = next((path for path in places if path.is_file()), None)
        if found is None:
            missing.append(f'clip {clip["clip_id"]}, frame {i}: none of {", ".join(map(str, places))}')
            continue
        gt = LoadMasks.load(clip['mask_paths'][i], clip)
        pred = read_prediction(found, clip)
        shape = tuple(size or gt.shape)
        gt, pred = (resize(x, shape, nearest=True) for x in (gt, pred))
        frame = SegDataSample(metainfo=dict(clip_id=clip['clip_id'], frame_idx=i, has_gt=True, img_shape=shape, ori_shape=shape))
        frame.gt_sem_seg = PixelData(data=torch.from_numpy(gt.astype(np.int64))[None])
        frame.pred_sem_seg = PixelData(data=torch.from_numpy(pred.astype(np.int64))[None])
        if binary:
            frame.av_score = PixelData(data=frame.pred_sem_seg.data.float())
        frames.append(frame)
    return dict(sample_idx=index, clip_id=clip['clip_id'], subset=clip['subset'], num_frames=clip['num_frames'], frames=frames)


def main() -> None:
    args = parse_args()
    init_default_scope('mmicf')
    folder = Path(args.predictions)
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder of predictions')
    options = dict(subset=args.subset) if args.dataset == 'vpo' else {}
    dataset = SETS[args.dataset](data_root=args.root, split=args.split, test_mode=True, **options)
    dataset.full_init()
    binary = len(dataset.metainfo['classes']) == 2
    metrics = [AVSBenchMetric(empty_gt=args.empty_gt) if binary else AVSBenchMetric(task='semantic', per_class_out=args.per_class),
               AVSConfusionMetric()]
    missing, samples, bar = [], [], ProgressBar(len(dataset))
    for i in range(len(dataset)):
        samples.append(sample_of(dataset.get_data_info(i), i, folder, args.size, missing))
        bar.update()
    if missing:
        raise FileNotFoundError(f'{len(missing)} masks are missing below {folder}:\n  ' + '\n  '.join(missing[:10]))
    print()
    for metric in metrics:
        metric.dataset_meta = dataset.metainfo
        for sample in samples:
            metric.process({}, [sample])
        found = metric.compute_metrics(metric.results)
        family = 'confusion' if isinstance(metric, AVSConfusionMetric) else 'avsbench'
        print(f'{family}: ' + ', '.join(f'{name.removeprefix("confusion_")} {value:.4f}' for name, value in found.items()))
    if binary:
        print('F above is of hard masks, one threshold: it is not the F of scores that papers report.')


if __name__ == '__main__':
    main()
