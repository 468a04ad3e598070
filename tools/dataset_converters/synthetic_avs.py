"""Writes a synthetic audio-visual segmentation set in the layout of S4, MS3, AVSS or VPO.

The same arguments give the same bytes. Next to the layout, ``OUT/truth/{split}`` holds what only the generator knows
(``mmicf.datasets.synthetic_truth``).
"""
import argparse
import sys
from multiprocessing import get_context
from pathlib import Path

from mmengine.utils import track_iter_progress

from mmicf.datasets.made_folder import is_made, mark
from mmicf.datasets.synthetic_layouts import SPLITS, WRITERS, ClipJob, write_clip, write_tables

MARKER = 'truth/settings.json'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', help='folder to write; must be new, empty, or hold the output of the same arguments')
    parser.add_argument('--subset', choices=list(WRITERS), default='ms3')
    parser.add_argument('--num-train', type=int, default=160)
    parser.add_argument('--num-val', type=int, default=20)
    parser.add_argument('--num-test', type=int, default=40)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--size', type=int, default=224, help='height of the frames in pixels, at least 32')
    args = parser.parse_args()
    counts = (args.num_train, args.num_val, args.num_test)
    if args.size < 32 or min(counts) < 0 or not any(counts):
        parser.error('--size must be at least 32, the numbers of clips must not be negative, and one must be positive')
    return args


def main() -> None:
    args = parse_args()
    settings = {k: v for k, v in vars(args).items() if k != 'out'}
    out = Path(args.out)
    try:
        if is_made(out, settings, marker=MARKER):
            print(f'{out} already holds these clips')
            return
    except (FileExistsError, ValueError) as error:
        sys.exit(str(error))
    counts = dict(zip(SPLITS, (args.num_train, args.num_val, args.num_test), strict=True))
    jobs = [ClipJob(str(out), args.subset, split, i, args.seed, args.size)
            for split in SPLITS for i in range(counts[split])]
    with get_context('spawn').Pool(2) as pool:
        clips = pool.imap(write_clip, jobs, chunksize=4)
        rows = list(track_iter_progress((clips, len(jobs))))
    write_tables(str(out), args.subset, [row for clip in rows for row in clip])
    mark(out, settings, marker=MARKER)  # last: marks a complete set


if __name__ == '__main__':
    main()
