"""Copy AVSS with its pictures and labels at the size that the network sees, so that training need not decode full-size ones.

    python tools/dataset_converters/resize_avss.py data/AVSBench/AVSS data/AVSBench/AVSS_224

writes the same tree (``{subset}/{uid}/frames/*.jpg``, ``labels_*/*.png``) squashed to ``--size``, as
``ClipResize(size=(224, 224))`` does it: pictures bilinearly, labels to the nearest pixel, their stored values and palettes kept.
Sounds and the tables are copied. JPEG at quality 100 changes a picture's values by a grey level or two. A clip that is there is
kept, so the command can be stopped and run again; ``settings.json`` holds the size, and a folder of another size is refused. Not
for configs that keep the aspect or crop (TPAVI, AVSegFormer, DDESeg), read maskiges of the original size (COMBO) or test at it.
One run at a time writes to a folder.
"""
import argparse
import fcntl
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import cv2
from mmengine.utils import ProgressBar
from PIL import Image

from mmicf.datasets.made_folder import is_made, mark
from mmicf.datasets.transforms.geometric import resize
from mmicf.datasets.transforms.loading_frames import open_picture, read_rgb

SUBSETS = ('v1s', 'v1m', 'v2')
TABLES = ('metadata.csv', 'label2idx.json')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data_root', type=Path, help='the AVSS folder with v1s/, v1m/, v2/ and metadata.csv')
    parser.add_argument('out', type=Path, help='folder of the copy')
    parser.add_argument('--size', type=int, default=224, help='pixels of both sides')
    parser.add_argument('--processes', type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.size < 1 or args.processes < 1:
        parser.error('--size and --processes must be at least 1')
    return args


def find_clips(root: Path) -> list[Path]:
    """The clips' folders, relative to the root.

    Raises:
        FileNotFoundError: it holds no clip, or no metadata.csv.
    """
    clips = [folder.relative_to(root) for subset in SUBSETS for folder in sorted((root / subset).glob('*')) if folder.is_dir()]
    if not clips or not (root / TABLES[0]).is_file():
        raise FileNotFoundError(f'{root}: found {len(clips)} clips in {", ".join(SUBSETS)}, '
                                f'metadata.csv {(root / TABLES[0]).is_file()}; expected the AVSS folder')
    return clips


def copy_clip(root: Path, out: Path, clip: Path, size: int) -> bool:
    """Write one clip unless it is there; returns whether it was written.

    Raises:
        FileNotFoundError, ValueError: a file cannot be read.
    """
    target = out / clip
    if target.is_dir():
        return False
    unfinished = target.with_name(f'.{target.name}.part')
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    try:
        for source in sorted(path for path in (root / clip).rglob('*') if path.is_file()):
            copy = unfinished / source.relative_to(root / clip)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == '.jpg':
                Image.fromarray(resize(read_rgb(str(source)), (size, size))).save(copy, quality=100, subsampling=0)
            elif source.suffix == '.png':
                open_picture(str(source)).resize((size, size), Image.Resampling.NEAREST).save(copy)
            else:
                shutil.copy2(source, copy)
        unfinished.rename(target)  # whole or not at all
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return True


def main() -> str | None:
    args = parse_args()
    cv2.setNumThreads(1)
    if args.out.resolve() == args.data_root.resolve():
        return f'{args.out}: the copy needs a folder of its own'
    clips = find_clips(args.data_root)
    settings = dict(size=args.size)
    if not is_made(args.out, settings):
        mark(args.out, settings)
    lock = open(args.out / 'settings.json')  # noqa: SIM115 - until the process ends; its workers hold it, too
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two runs would delete each other's unfinished clips
    except BlockingIOError:
        return f'{args.out}: another run writes to this folder'
    for table in TABLES:
        if (args.data_root / table).is_file():
            shutil.copy2(args.data_root / table, args.out / table)
    written, failed, bar = 0, {}, ProgressBar(len(clips))
    with ProcessPoolExecutor(args.processes) as pool:
        futures = {pool.submit(copy_clip, args.data_root, args.out, clip, args.size): clip for clip in clips}
        for future in as_completed(futures):
            try:
                written += future.result()
            except (OSError, ValueError) as error:
                failed[str(futures[future])] = str(error)
            bar.update()
    print(f'\n{args.out}: {written} clips written, {len(clips) - written - len(failed)} were there, {len(failed)} failed')
    return '\n'.join(f'{clip}: {error}' for clip, error in sorted(failed.items())) or None


if __name__ == '__main__':
    sys.exit(main())
