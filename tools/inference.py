#!/usr/bin/env python
"""Segments what sounds in videos or folders of pictures.

    python tools/inference.py clip.mp4 --model icf_pvt_ms3 --weights icf_pvt_ms3.pth --out out
    python tools/inference.py frames/ --audio sound.wav --model configs/icf/icf_tiny_synthetic.py --weights best.pth --out out
"""
import argparse
import time

from mmicf.apis import AVSInferencer
from mmicf.apis.open_media import check_names
from mmicf.apis.result_writer import KINDS
from mmicf.utils.heap import keep_freed_memory


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inputs', nargs='+', help='video files, or folders of pictures with a wav in or beside them')
    parser.add_argument('--model', required=True, help='config file or its name')
    parser.add_argument('--weights', required=True, help='checkpoint')
    parser.add_argument('--out', default='work_dirs/inference',
                        help='folder for overlay.mp4, masks/ and masks.jsonl of each input, in place of an earlier run\'s')
    parser.add_argument('--fps', type=float, default=1., help='pictures to segment per second, a whole number')
    parser.add_argument('--overlap', type=int, default=0, help='seconds that neighbouring windows share')
    parser.add_argument('--num-frames', type=int, help='pictures per window; default 5')
    parser.add_argument('--audio', help='sound file of a folder, or heard in place of a video\'s own sound')
    parser.add_argument('--frame-rate', type=float, help='pictures per second in a folder; default 1')
    parser.add_argument('--missing-sound', choices=['error', 'silence'], default='error')
    parser.add_argument('--save', nargs='+', choices=KINDS, default=['video', 'masks', 'rle'],
                        help='scores: scores.npz, of binary models')
    parser.add_argument('--device')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_names(args.inputs)
    keep_freed_memory()
    inferencer = AVSInferencer(args.model, args.weights, device=args.device, num_frames=args.num_frames)
    for source in args.inputs:
        start = time.perf_counter()
        result = inferencer(source, out_dir=args.out, fps=args.fps, overlap=args.overlap, audio=args.audio,
                            frame_rate=args.frame_rate, missing_sound=args.missing_sound, save=args.save)
        seconds = time.perf_counter() - start
        print(f"\n{result['count']} pictures segmented and written in {seconds:.1f} s: {result['count'] / seconds:.2f} frames/s")
        print('\n'.join(result['files']))


if __name__ == '__main__':
    main()
