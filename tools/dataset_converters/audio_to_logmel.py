"""Write the VGGish log-mel examples of a dataset once, so that training need not compute them in every epoch.

    python tools/dataset_converters/audio_to_logmel.py ms3 data/AVSBench/Multi-sources

writes ``{OUT}/{clip_id}.npy``, float32 (n, 1, 96, 64), for each clip of each split; read them with the dataset's
``log_mel_dir=OUT`` and the transform ``LoadLogMel`` (docs/en/data.md has the config). A file that is sound and newer than what it
was made from is kept, so the command can be stopped and run again. ``--source pkl`` converts the official pickles instead of the
sound files.
"""
import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.utils import ProgressBar

from mmicf.datasets import SETS
from mmicf.datasets.transforms import LoadAudio
from mmicf.datasets.transforms.loading_audio import read_log_mel
from mmicf.utils.log_mel import SAMPLE_RATE, samples_needed, vggish_log_mel

DATASETS = ('s4', 'ms3', 'avss', 'vpo-ss', 'vpo-ms', 'vpo-msmi')
VPO_SECONDS = 3.0  # CAVP's rule: each sound is fitted to 3 s before the sum


class Job(NamedTuple):
    """One clip: where its examples go, and the files that they come from (one pickle, or the sounds to add up)."""
    clip_id: str
    target: Path
    sources: tuple[str, ...]
    duration: float | None


def find_jobs(dataset: str, data_root: str, out: Path, *, splits: list[str] | None, source: str,
              audio_root: str | None) -> list[Job]:
    """One job per clip of the splits.

    Raises:
        ValueError: a clip has no such source, or two clips would share a file.
    """
    name, _, subset = dataset.partition('-')
    cls, options = SETS[name], {}
    if subset:
        options = {'subset': subset, 'audio_root': audio_root}
    elif audio_root is not None:
        raise ValueError('--audio-root is for VPO, whose sounds lie outside of its folder')
    jobs: dict[Path, Job] = {}
    for split in splits or cls.SPLITS:
        clips = cls(data_root=data_root, split=split, verify=False, **options)
        for info in (clips.get_data_info(i) for i in range(len(clips))):
            sources = [info['log_mel_path']] if source == 'pkl' else [entry['path'] for entry in info['audio']]
            if not sources or None in sources:
                raise ValueError(f'clip {info["clip_id"]} of {data_root} has no {source} file in this layout')
            job = Job(info['clip_id'], out / f'{info["clip_id"]}.npy', tuple(sources),
                      VPO_SECONDS if subset else None)
            if jobs.setdefault(job.target, job).sources != job.sources:
                raise ValueError(f'clip {job.clip_id} names {job.sources} in split {split} and '
                                 f'{jobs[job.target].sources} in another; write the splits to folders of their own')
    return list(jobs.values())


def convert(job: Job) -> bool:
    """Write one file unless a sound and newer one is there; returns whether it was written.

    Raises:
        ValueError, FileNotFoundError: a source cannot be used, or what was written does not read back the same.
    """
    if is_current(job):
        return False
    if job.sources[0].endswith('.pkl'):
        log_mel = read_log_mel(job.sources[0])
    else:
        loaded = LoadAudio(sample_rate=SAMPLE_RATE, duration=job.duration)(
            {'clip_id': job.clip_id, 'audio': [{'path': path} for path in job.sources]})
        log_mel = vggish_log_mel(loaded['waveform'][0])
        if not len(log_mel):
            seconds = loaded['waveform'].shape[1] / SAMPLE_RATE
            raise ValueError(f'{" + ".join(job.sources)}: {seconds:.3f} s of sound found, expected at least '
                             f'{samples_needed(1) / SAMPLE_RATE} s for one example')
    job.target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = job.target.with_name(f'.{job.target.stem}.{os.getpid()}.npy')  # a stopped run leaves no half file
    try:
        np.save(unfinished, log_mel)
        if not np.array_equal(read_log_mel(unfinished), log_mel):
            raise ValueError(f'{job.target}: reads back different from what was written; is the disk full?')
        os.replace(unfinished, job.target)
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def is_current(job: Job) -> bool:
    """Whether the target reads well and none of its sources is missing or newer."""
    try:
        newest = max(os.stat(path).st_mtime_ns for path in job.sources)
        return os.stat(job.target).st_mtime_ns >= newest and len(read_log_mel(job.target)) > 0
    except (OSError, ValueError):
        return False


def run(jobs: list[Job], processes: int) -> tuple[int, dict[str, str]]:
    """Convert all; returns how many files were written, and the error of each clip that failed."""
    written, failed, bar = 0, {}, ProgressBar(len(jobs))
    with ProcessPoolExecutor(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = {pool.submit(convert, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                written += future.result()
            except (ValueError, OSError) as error:
                failed[futures[future].clip_id] = str(error)
            bar.update()
    print()
    return written, failed


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dataset', choices=DATASETS)
    parser.add_argument('data_root', help='as in the dataset class')
    parser.add_argument('--out', type=Path, help='folder of the files (default: DATA_ROOT/log_mel, for VPO one folder '
                        'log_mel-ss, log_mel-ms or log_mel-msmi)')
    parser.add_argument('--splits', nargs='+', help='default: all of the dataset')
    parser.add_argument('--source', choices=['wav', 'pkl'], default='wav')
    parser.add_argument('--audio-root', help="VPO: folder of VGGSound's wav files")
    parser.add_argument('--processes', type=int, default=2)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    # the pictures of VPO's parts share ids, their sounds do not
    folder = args.dataset.replace('vpo', 'log_mel') if args.dataset.startswith('vpo') else 'log_mel'
    out = args.out or Path(args.data_root) / folder
    jobs = find_jobs(args.dataset, args.data_root, out, splits=args.splits, source=args.source,
                     audio_root=args.audio_root)
    written, failed = run(jobs, args.processes)
    print(f'{out}: {written} written, {len(jobs) - written - len(failed)} up to date, {len(failed)} failed')
    for clip_id, error in sorted(failed.items()):
        print(f'  {clip_id}: {error}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
