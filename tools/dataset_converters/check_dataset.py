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
from mmicf.datasets.vpo import FOLDERS
from mmicf.utils.text_table import table


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('set', choices=list(SETS))
    parser.add_argument('root', help="the set's data_root (docs/en/data.md)")
    parser.add_argument('--jobs', type=int, default=2, help='processes')
    parser.add_argument('--listing-only', action='store_true', help='look for missing files, open none')
    parser.add_argument('--fix-list', help='file to write: clip_id, path of each fault, tab-separated')
    return parser.parse_args()


def absent_parts(name: str, root: str) -> list[str]:
    """Subsets of VPO that were not downloaded; none where nothing was."""
    absent = [subset for subset, folder in FOLDERS.items() if name == 'vpo' and not (Path(root) / folder).exists()]
    return absent if len(absent) < len(FOLDERS) else []


def label_kinds(root: str) -> list[str]:
    """The kinds of label files that any clip of AVSS has; the default where none has one."""
    return [kind for kind in ('semantic', 'rgb') if any(Path(root).glob(f'*/*/labels_{kind}'))] or ['semantic']


def all_clips(name: str, root: str) -> tuple[list[dict], list[Problem], bool]:
    """Data infos of all splits (and subsets of VPO), what is wrong with the tables, and whether every table could be used."""
    def listed(**options):
        return [listed_clips(SETS[name](data_root=root, split=split, verify=False, lazy_init=True, **options))
                for split in SETS[name].SPLITS]

    if name == 'vpo':
        parts = [part for subset in FOLDERS if subset not in absent_parts(name, root) for part in listed(subset=subset)]
    elif name == 'avss':
        first, *other = label_kinds(root)
        parts = listed(labels=first)
        for kind in other:
            for (clips, _), (same, _) in zip(parts, listed(labels=kind), strict=True):
                for clip, info in zip(clips, same, strict=True):
                    clip['other_labels'] = [info]
    else:
        parts = listed()
    problems = [problem for _, wrong in parts for problem in wrong]
    return [clip for clips, _ in parts for clip in clips], problems, all(clips for clips, _ in parts)


def check(name: str, root: str, *, jobs: int, listing_only: bool) -> tuple[list[Problem], int]:
    """All problems, each once, and the number of clips."""
    problems = []
    if name == 'avss':
        try:
            check_label_file(str(Path(root) / 'label2idx.json'))
        except ValueError as error:
            problems.append(Problem('-', str(Path(root) / 'label2idx.json'), str(error), 'the 71 classes of AVSS'))
    clips, wrong, complete = all_clips(name, root)
    problems += wrong
    problems += [Problem(clip, '-', f'listed in the splits {", ".join(sorted(splits))}', 'one split')
                 for clip, splits in _splits(clips).items() if len(splits) > 1]
    own_folder = SETS[name].FRAMES_OWN_FOLDER
    problems += missing_files(clips, own_folder)
    if complete:  # else the table may name the folder
        problems += unlisted_folders(clips, own_folder)
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
    for subset in absent_parts(args.set, args.root):
        print(f'{FOLDERS[subset]}: not there, not checked')
    bad = len(Counter(p.clip_id for p in problems))
    print(f'{args.set} at {args.root}: {clips} clips, {len(problems)} problems' + (f' in {bad} clips' if bad else ''))
    return int(bool(problems))


if __name__ == '__main__':
    sys.exit(main())
