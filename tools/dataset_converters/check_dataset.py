#!/usr/bin/env python
"""Walks a downloaded dataset and prints one table of everything that is missing, misplaced, corrupt, mis-sized, out of range or
at odds with its csv. Exit status 1 if there is anything.

    python tools/dataset_converters/check_dataset.py avss data/AVSBench/AVSS --fix-list broken.txt
"""
import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mmengine.utils import track_iter_progress

from mmicf.datasets import SETS
from mmicf.datasets.avsbench import check_label_file
from mmicf.datasets.clip_files import Problem
from mmicf.datasets.dataset_check import listed_clips, missing_files, unlisted_folders, unusable_files
from mmicf.utils.text_table import table


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('set', choices=list(SETS))
    parser.add_argument('root', help="the set's data_root (docs/en/data.md)")
    parser.add_argument('--jobs', type=int, default=2, help='processes')
    parser.add_argument('--listing-only', action='store_true', help='look for missing files, open none')
    parser.add_argument('--fix-list', help='file to write: clip_id, path of each fault, tab-separated')
    return parser.parse_args()


def datasets(name: str, root: str) -> list:
    """One dataset object per split (and per subset of VPO), without reading anything."""
    kind = SETS[name]
    variants = [dict(subset=subset) for subset in ('ss', 'ms', 'msmi')] if name == 'vpo' else [{}]
    return [kind(data_root=root, split=split, verify=False, lazy_init=True, **options)
            for options in variants for split in kind.SPLITS]


def check(name: str, root: str, *, jobs: int, listing_only: bool) -> tuple[list[Problem], int]:
    """All problems, each once, and the number of clips."""
    problems, clips = [], []
    if name == 'avss':
        try:
            check_label_file(str(Path(root) / 'label2idx.json'))
        except ValueError as error:
            problems.append(Problem('-', str(Path(root) / 'label2idx.json'), str(error), 'the 71 classes of AVSS'))
    for dataset in datasets(name, root):
        listed, wrong = listed_clips(dataset)
        clips += listed
        problems += wrong
    problems += [Problem(clip, '-', f'listed in the splits {", ".join(sorted(splits))}', 'one split')
                 for clip, splits in _splits(clips).items() if len(splits) > 1]
    own_folder = SETS[name].FRAMES_OWN_FOLDER
    problems += missing_files(clips, own_folder) + unlisted_folders(clips, own_folder)
    if not listing_only:
        with ProcessPoolExecutor(jobs) as pool:
            found = pool.map(unusable_files, clips, chunksize=8)
            for part in track_iter_progress((found, len(clips))):
                problems += part
    return list(dict.fromkeys(problems)), len(clips)


def _splits(clips: list[dict]) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {}
    for clip in clips:
        out.setdefault(clip['clip_id'], set()).add(clip['split'])
    return out


def main() -> int:
    args = parse_args()
    if not Path(args.root).is_dir():
        raise FileNotFoundError(f'{args.root}: no such folder; {args.set} expects {SETS[args.set].LAYOUT}')
    problems, clips = check(args.set, args.root, jobs=args.jobs, listing_only=args.listing_only)
    if args.fix_list:
        Path(args.fix_list).write_text(''.join(f'{p.clip_id}\t{p.path}\n' for p in problems), encoding='utf-8')
    if problems:
        print(table(['clip', 'path', 'found', 'expected'], [list(p) for p in problems], align='l'))
    bad = len(Counter(p.clip_id for p in problems))
    print(f'{args.set} at {args.root}: {clips} clips, {len(problems)} problems' + (f' in {bad} clips' if bad else ''))
    return int(bool(problems))


if __name__ == '__main__':
    sys.exit(main())
