#!/usr/bin/env python
"""Memory and speed of the inferencer over the length of a video.

    python tools/analysis_tools/benchmark_inference.py CONFIG CHECKPOINT --minutes 1 60

Makes videos of a moving square with a warbling tone, segments each in a process of its own with everything that
``tools/inference.py`` writes, and prints peak memory as a multiple of the first one's.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress

RATE = 16000
ROOT = Path(__file__).resolve().parents[2]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--minutes', type=float, nargs='+', default=[1., 60.])
    parser.add_argument('--size', type=int, nargs=2, default=[240, 320], metavar=('H', 'W'))
    parser.add_argument('--frame-rate', type=int, default=10, help='pictures per second of the videos')
    parser.add_argument('--fps', type=float, default=1., help='pictures to segment per second')
    parser.add_argument('--threads', type=int, default=2)
    return parser.parse_args()


def make_video(path: Path, minutes: float, height: int, width: int, frame_rate: int) -> None:
    """A square that wanders and a tone that warbles, written minute by minute so that making it needs no memory either."""
    import av
    seconds = round(minutes * 60)
    with av.open(str(path), 'w') as file:
        video = file.add_stream('libx264', rate=frame_rate, options=dict(preset='ultrafast'))
        video.height, video.width, video.pix_fmt = height, width, 'yuv420p'
        track = file.add_stream('aac', rate=RATE, layout='mono')
        resampler = av.AudioResampler(format='fltp', layout='mono', rate=RATE, frame_size=1024)
        side = min(height, width) // 4
        for second in track_iter_progress(range(seconds)):
            for k in range(frame_rate):
                when = second + k / frame_rate
                frame = np.full((height, width, 3), 60, np.uint8)
                y, x = (int((0.5 + 0.5 * np.sin(when * pace)) * (length - side)) for pace, length in ((0.9, height), (0.7, width)))
                frame[y:y + side, x:x + side] = 200, 120, 40
                file.mux(video.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
            t = second + np.arange(RATE) / RATE
            tone = (0.3 * np.sin(2 * np.pi * 440 * t + 20 * np.sin(2 * np.pi * 0.5 * t))).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone[None], format='fltp', layout='mono')
            samples.rate, samples.pts = RATE, second * RATE
            for part in resampler.resample(samples):
                file.mux(track.encode(part))
        for part in resampler.resample(None):
            file.mux(track.encode(part))
        file.mux(track.encode())
        file.mux(video.encode())


def run_inference(args: argparse.Namespace, video: Path, out: str) -> tuple[str, float]:
    """The line of ``tools/inference.py`` with its frames per second, and the peak of its process in MiB."""
    command = [sys.executable, str(ROOT / 'tools/inference.py'), str(video), '--model', args.config, '--weights', args.checkpoint,
               '--out', out, '--fps', str(args.fps)]
    with open(f'{out}.txt', 'w+', encoding='utf-8') as log:
        process = subprocess.Popen(command, stdout=log, env={**os.environ, 'OMP_NUM_THREADS': str(args.threads)})
        _, status, usage = os.wait4(process.pid, 0)  # the only way to one child's own peak
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f'tools/inference.py ended with {process.returncode} on {video}')
        log.seek(0)
        line = next(line for line in log.read().splitlines() if 'frames/s' in line)
    return line, usage.ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)


def main() -> None:
    args = parse_args()
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for minutes in args.minutes:
            video = Path(folder) / f'minutes_{minutes:g}.mp4'
            make_video(video, minutes, *args.size, args.frame_rate)
            line, peak = run_inference(args, video, f'{folder}/out')
            first = first or peak
            print(f'\n{minutes:g} min of {args.size[1]}x{args.size[0]} at {args.frame_rate} pictures per second: {line}; '
                  f'peak memory {peak:.0f} MiB, {peak / first:.3f} times the first', flush=True)


if __name__ == '__main__':
    main()
