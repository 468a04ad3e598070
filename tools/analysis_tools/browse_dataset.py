#!/usr/bin/env python
"""Draw and play clips as a config's pipeline hands them to the model: frames after augmentation, ground truth and sound.

    python tools/analysis_tools/browse_dataset.py CONFIG --split train --num 8 --out-dir work_dirs/browse_dataset

Per clip a picture, {clip_id}.png, and a video, {clip_id}.mp4, in which each frame is in view for its second, with the sound that
the pipeline's audio front end gets (noise and silence included). A pipeline that reads stored log-mel files has no sound to play.
"""
import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.registry import DATASETS, init_default_scope

from mmicf.apis.video_file import write_video
from mmicf.utils.type_name import type_name
from mmicf.visualization import AVSLocalVisualizer

FRAME_RATE = 8  # pictures per second of videos
SIDE = 320  # pixels: small frames are enlarged until their shorter side has as many


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='which dataloader')
    parser.add_argument('--num', type=int, default=8, help='how many clips, evenly spaced over the data set')
    parser.add_argument('--out-dir', default='work_dirs/browse_dataset', help='folder for {clip_id}.png and .mp4')
    parser.add_argument('--save', nargs='+', choices=['picture', 'video'], default=['picture', 'video'],
                        help="what to write; videos need the extra 'video'")
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


def play(visualizer: AVSLocalVisualizer, item: dict, out_file: Path) -> bool:
    """Writes the clip's video; whether it has sound."""
    inputs, count = item['inputs'], len(item['inputs'].frames)
    sound, seconds = {}, float(count)
    if inputs.waveform is not None:
        sound = dict(waveform=inputs.waveform.numpy(), sample_rate=inputs.sample_rate)
        if count == 1:  # one picture stands for the whole sound (VPO)
            seconds = inputs.waveform.shape[-1] / inputs.sample_rate

    def pictures() -> Iterator[np.ndarray]:
        for frame, sample in zip(inputs.frames, item['data_samples'].frames, strict=True):
            picture = frame.permute(1, 2, 0).numpy()
            times = -(-SIDE // min(picture.shape[:2]))
            picture = cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
            if 'gt_sem_seg' in sample:
                picture = visualizer.overlay(picture, sample.gt_sem_seg.data[0].numpy())
            yield from [picture] * round(FRAME_RATE * seconds / count)

    out_file.parent.mkdir(parents=True, exist_ok=True)
    write_video(out_file, pictures(), frame_rate=FRAME_RATE, **sound)
    return bool(sound)


def pack_waveform(dataset: ConfigDict) -> None:
    """Have the pipeline of a dataset hand over the waveform that it loads."""
    pipeline = dataset.get('pipeline') or []
    if any(type_name(step) == 'LoadAudio' for step in pipeline):
        for step in pipeline:
            if type_name(step) == 'PackAVSInputs':
                step['keys'] = tuple(dict.fromkeys([*step.get('keys', ('log_mel', )), 'waveform']))


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmicf'))
    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise ValueError(f'{args.config} has no {args.split}_dataloader')
    pack_waveform(loader.dataset)
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
        path, silent = Path(args.out_dir, f'{item["data_samples"].clip_id}.png'), ''
        if 'picture' in args.save:
            draw(visualizer, item, path)
        if 'video' in args.save:
            path = path.with_name(path.name.removesuffix('.png') + '.mp4')
            silent = '' if play(visualizer, item, path) else ', no sound in this pipeline'
        print(f'{path}: clip {index} of {len(dataset)}, {type(dataset).__name__} {args.split}{silent}')


if __name__ == '__main__':
    main()
