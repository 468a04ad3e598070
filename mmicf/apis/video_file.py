"""A video with sound, written from pictures and samples."""
import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np


class SoundTrack:
    """AAC sound of a container that is being written, fed piece by piece.

    Args:
        file: PyAV's output container.
        sample_rate: Hz of the pieces.
        channels: of the pieces; two are kept.
        delay: seconds into the container at which the sound begins.
    """

    def __init__(self, file, *, sample_rate: int, channels: int, delay: float = 0.) -> None:
        import av
        self._av, self._file, self._rate, self._next = av, file, sample_rate, round(delay * sample_rate)
        self._layout = 'mono' if channels == 1 else 'stereo'
        rates = av.Codec('aac', 'w').audio_rates  # the standard's; any other rate is resampled
        self._stream = file.add_stream('aac', rate=sample_rate if sample_rate in rates else 48000, layout=self._layout)
        self._resampler = av.AudioResampler(format='fltp', layout=self._layout, rate=self._stream.rate, frame_size=1024)

    def write(self, samples: np.ndarray) -> None:
        """Appends float (C, L) in [-1, 1]."""
        if not samples.shape[1]:
            return
        frame = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:2], np.float32), format='fltp', layout=self._layout)
        frame.rate, frame.pts, frame.time_base = self._rate, self._next, Fraction(1, self._rate)
        self._next += samples.shape[1]
        self._encode(self._resampler.resample(frame))

    def close(self) -> None:
        """Writes what is held back."""
        if self._next:
            self._encode(self._resampler.resample(None))
            self._file.mux(self._stream.encode())

    def _encode(self, frames) -> None:
        for frame in frames:
            self._file.mux(self._stream.encode(frame))


def write_video(path: str | Path, frames: Iterable[np.ndarray], *, frame_rate: float,
                waveform: np.ndarray | Iterable[np.ndarray] | None = None, sample_rate: int = 16000, quality: int = 18) -> None:
    """Writes H.264 pictures and AAC sound; both begin at zero.

    Args:
        path: an mp4.
        frames: uint8 RGB (H, W, 3) each, as they come; an odd last row or column is left out, as yuv420p has even sides.
        frame_rate: pictures per second.
        waveform: float (L,), (1, L) or (C, L) in [-1, 1], of which two channels are kept, or pieces (C, L) of it, read as they
            are written; None: no sound.
        sample_rate: Hz of the waveform.
        quality: constant rate factor, 0 (lossless in YUV) to 51.

    Raises:
        ImportError: PyAV is not installed.
        ValueError: no picture.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(f"{path}: video files need PyAV: pip install 'mmicf[video]'") from error
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f'{path}: found no picture, expected one or more')
    height, width = (side // 2 * 2 for side in first.shape[:2])
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('libx264', rate=Fraction(frame_rate).limit_denominator(1000), options=dict(crf=str(quality)))
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        track = None
        if waveform is not None:
            pieces = iter([np.atleast_2d(waveform)] if isinstance(waveform, np.ndarray) else waveform)
            start = next(pieces)  # the container wants to know the channels before its first packet
            track = SoundTrack(file, sample_rate=sample_rate, channels=len(start))
        for frame in itertools.chain([first], frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format='rgb24')
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
        if track is not None:
            for piece in itertools.chain([start], pieces):
                track.write(piece)
            track.close()
