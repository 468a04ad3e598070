#!/usr/bin/env python
"""A split's clips as videos: each picture is shown for its second, with the clip's sound.

    python tools/dataset_converters/clips_to_mp4.py CONFIG OUT --split test
    python tools/inference.py OUT/*.mp4 --model CONFIG --weights CHECKPOINT --out RESULTS
    python tools/analysis_tools/eval_predictions.py RESULTS --dataset ms3 --root DATA_ROOT

The last command must give what ``tools/test.py`` gives, but for what the video's compression takes away.
"""
import argparse
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.utils import track_iter_progress

from mmicf.apis.video_file import write_video
from mmicf.datasets.transforms.loading_frames import read_rgb
from mmicf.registry import DATASETS
from mmicf.utils.audio_file import read_audio


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('out', help='folder for {clip}.mp4')
    parser.add_argument('--split', default='test')
    parser.add_argument('--frame-rate', type=int, default=8, help='pictures per second of the videos')
    parser.add_argument('--quality', type=int, default=18, help='constant rate factor of H.264: 0 (best) to 51')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope('mmicf')
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, split=args.split))
    dataset.full_init()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for i in track_iter_progress(range(len(dataset))):
        info = dataset.get_data_info(i)
        if len(info['audio']) != 1:
            raise ValueError(f"clip {info['clip_id']}: found {len(info['audio'])} sound files, expected one")
        path = out / f"{Path(info['clip_id']).name}.mp4"
        if path.exists():
            raise FileExistsError(f'{path} exists already: two clips of that name, or an earlier run')
        waveform, sample_rate = read_audio(info['audio'][0]['path'])
        pictures = (picture for frame in info['frame_paths'] for picture in [read_rgb(frame)] * args.frame_rate)
        write_video(path, pictures, frame_rate=args.frame_rate, waveform=waveform[:, :info['num_frames'] * sample_rate],
                    sample_rate=sample_rate, quality=args.quality)


if __name__ == '__main__':
    main()
