#!/usr/bin/env python
"""Draw clips as a config's pipeline hands them to the model: frames after augmentation, ground truth and sound."""
import argparse
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import DATASETS, init_default_scope

from mmicf.visualization import AVSLocalVisualizer


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='which dataloader')
    parser.add_argument('--num', type=int, default=8, help='how many clips, evenly spaced over the data set')
    parser.add_argument('--out-dir', default='work_dirs/browse_dataset', help='folder for {clip_id}.png')
    parser.add_argument('--epoch', type=int, default=0, help='epoch whose random draws to show')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key.subkey=value')
    args = parser.parse_args()
    if args.num < 1 or args.epoch < 0:
        parser.error(f'--num must be at least 1 and --epoch at least 0, got {args.num} and {args.epoch}')
    return args


def draw(visualizer: AVSLocalVisualizer, item: dict, out_file: Path) -> None:
    inputs, sample = item['inputs'], item['data_samples']
    sound = {}
    if inputs.waveform is not None:
        sound = dict(waveform=inputs.waveform.numpy(), sample_rate=inputs.sample_rate)
    elif inputs.log_mel is not None:
        sound = dict(log_mel=inputs.log_mel.numpy())
    frames = [frame.permute(1, 2, 0).numpy() for frame in inputs.frames]
    visualizer.add_clip(sample.clip_id, frames, sample, out_file=str(out_file), **sound)


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmicf'))
    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise ValueError(f'{args.config} has no {args.split}_dataloader')
    dataset = DATASETS.build(loader.dataset)
    if hasattr(dataset, 'set_epoch'):
        dataset.set_epoch(args.epoch)
    elif args.epoch:
        raise ValueError(f'{type(dataset).__name__} has no epochs to choose from; expected a data set with set_epoch')
    visualizer = AVSLocalVisualizer()
    visualizer.dataset_meta = dataset.metainfo
    indices = np.unique(np.linspace(0, len(dataset) - 1, min(args.num, len(dataset))).round().astype(int))
    for index in indices.tolist():
        item = dataset[index]
        path = Path(args.out_dir, f'{item["data_samples"].clip_id}.png')
        draw(visualizer, item, path)
        print(f'{path}: clip {index} of {len(dataset)}, {type(dataset).__name__} {args.split}')


if __name__ == '__main__':
    main()
