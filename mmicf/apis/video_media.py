"""A video file, read forward in time with bounded memory."""
import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from mmicf.utils.audio_file import ESTIMATED, RATES, AudioFileError

from .display_matrix import upright
from .media import Media, MediaError

LAST_PICTURE = 1.5  # seconds that a video's last picture may be shown; longer where pictures came slower than that
GAP = 0.05  # seconds without packets that are silence; timestamps alone are up to a few milliseconds off


class VideoMedia(Media):
    """A video file, decoded by PyAV as it is read; neither pictures nor sound are held longer than they are needed.

    Pictures and ``size`` are upright, as a player shows them.

    Args:
        path: mp4 or any container that ffmpeg reads.
        audio: a file whose sound, from its beginning, is heard in place of the video's own.

    Raises:
        FileNotFoundError: no such file.
        ImportError: PyAV is not installed.
        MediaError: no pictures, no stated duration, cut off, not decodable, turned by other than a multiple of 90 degrees, or
            pictures whose size changes.
        AudioFileError: ``audio`` holds no sound; sound that is cut off, not decodable, or at no usable rate.
    """

    def __init__(self, path: str | Path, audio: str | Path | None = None) -> None:
        try:
            import av
        except ImportError as error:
            raise ImportError(f"{path}: video files need PyAV: pip install 'mmicf[video]'") from error
        for file in (path, audio):
            if file is not None and not os.path.isfile(file):
                raise FileNotFoundError(f'{file}: no such file')
        self.name, self.sound_name, self._av = str(path), str(audio or path), av
        self.files = (Path(self.name), Path(self.sound_name))
        # PyAV's own exceptions come on top of ffmpeg's: for broken metadata, for streams of an unknown codec, ...
        try:
            self._container = av.open(self.name, metadata_errors='ignore')
        except Exception as error:
            raise MediaError(f'{path}: cannot be opened as video ({error})') from error
        try:
            self._sounds = av.open(self.sound_name, metadata_errors='ignore')
        except Exception as error:
            raise AudioFileError(f'{self.sound_name}: cannot be opened as sound ({error})') from error
        if not self._container.streams.video:
            raise MediaError(f'{path}: found no pictures, expected a video stream')
        stream = self._container.streams.video[0]
        try:
            stream.thread_type = 'AUTO'
            self.duration = _length(stream) or (self._container.duration or 0) / av.time_base
        except Exception as error:
            raise MediaError(f'{path}: found pictures of an unknown kind ({error})') from error
        if self.duration <= 0:
            raise MediaError(f'{path}: found a duration of {self.duration} s, expected a container that states it '
                             '(ffmpeg -i IN -c copy OUT.mp4)')
        self._pictures, self._gap = self._decode(stream), 0.
        self._last = self._next = next(self._pictures, None)
        if self._next is None:
            raise MediaError(f'{path}: found no pictures that can be decoded')
        self.size = upright(self._next[1], self.name).shape[:2]  # only frames tell how they are turned
        track = self._sounds.streams.audio[0] if self._sounds.streams.audio else None
        if audio is not None and track is None:
            raise AudioFileError(f'{audio}: found no sound, expected a sound stream')
        try:
            self.sample_rate = track.rate if track else 16000
            lag = _start(track) - _start(stream) if track and audio is None else 0.
            length = _length(track) or (self._sounds.duration or 0) / av.time_base or self.duration if track else 0.
            self.sound_duration = length + lag
        except Exception as error:
            raise AudioFileError(f'{self.sound_name}: found sound of an unknown kind ({error})') from error
        if not self.sample_rate or not RATES[0] <= self.sample_rate <= RATES[1]:
            raise AudioFileError(f'{self.sound_name}: found {self.sample_rate} samples per second, '
                                 f'expected {RATES[0]} to {RATES[1]}')
        if lag > self.duration:
            raise AudioFileError(f'{self.sound_name}: found sound that starts at {lag:.2f} s, '
                                 f'expected it within the {self.duration:.2f} s of pictures')
        # Only then does the end of the samples tell whether the file was cut off.
        self._states_sound_duration = bool(track and track.duration and self._sounds.format.name not in ESTIMATED)
        self._samples = self._decode_sound(track, lag) if track else iter(())
        self._buffer, self._buffer_start = np.zeros((1, 0), np.float32), 0

    def _decode(self, stream) -> Iterator[tuple[float, object]]:
        try:
            first = None
            for frame in self._container.decode(stream):
                first = frame.time if first is None else first  # a stream need not start at zero
                yield frame.time - first, frame
        except Exception as error:
            raise MediaError(f'{self.name}: the pictures cannot be decoded ({error})') from error

    def _decode_sound(self, track, lag: float) -> Iterator[np.ndarray]:
        """Samples from the first picture on: silence for the ``lag`` seconds that the sound starts late, or less of it.

        Gaps, which the times of the frames tell, are silence too.
        """
        rate, place, begin = track.rate, None, None  # place: of the next sample, counted from the first picture
        try:
            resampler = self._av.AudioResampler(format='fltp', rate=rate)
            for frame in self._sounds.decode(track):
                for out in resampler.resample(frame):
                    samples = out.to_ndarray()
                    if place is None:
                        place, begin, gap = min(0, round(lag * rate)), frame.time, max(0, round(lag * rate))
                    else:
                        gap = 0 if None in (begin, frame.time) else round((lag + frame.time - begin) * rate) - place
                        gap = gap if gap > GAP * rate else 0
                    silence = (np.zeros((len(samples), min(rate, gap - done)), np.float32) for done in range(0, gap, rate))
                    for part in chain(silence, [samples]):
                        yield part[:, max(0, -place):]
                        place += part.shape[1]
            yield from (out.to_ndarray() for out in resampler.resample(None))
        except Exception as error:
            raise AudioFileError(f'{self.sound_name}: the sound cannot be decoded ({error})') from error

    def frames(self, times: Sequence[float]) -> Iterator[np.ndarray]:
        for time in times:
            while self._next is not None and self._next[0] <= time + 1e-6:
                self._last, self._next = self._next, next(self._pictures, None)
                if self._next is not None:
                    self._gap = max(self._gap, self._next[0] - self._last[0])
            yield self._picture(time)

    def _picture(self, time: float) -> np.ndarray:
        """The last picture that was decoded, which must still be in view at ``time``."""
        start, frame = self._last
        shown = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.
        if self._next is None and time > start + max(2 * self._gap, shown, LAST_PICTURE):
            raise MediaError(f'{self.name}: found no picture after {start:.2f} s, expected {self.duration:.2f} s; is it cut off?')
        picture = upright(frame, self.name)
        if picture.shape[:2] != self.size:
            raise MediaError(f'{self.name}: found {picture.shape[:2]} at {start:.2f} s, expected {self.size} as before')
        return picture

    def sound(self, start: float, end: float) -> np.ndarray:
        first, last = round(start * self.sample_rate), round(end * self.sample_rate)
        if first < self._buffer_start:
            raise ValueError(f'{self.sound_name}: sound is read forward only; {start} s lies before what is held')
        parts, held = [self._buffer], self._buffer_start + self._buffer.shape[1]
        while held < last:
            part = next(self._samples, None)
            if part is None:
                if self._states_sound_duration and held / self.sample_rate < self.sound_duration - 0.5:
                    raise AudioFileError(f'{self.sound_name}: found no sound after {held / self.sample_rate:.2f} s, expected '
                                         f'{self.sound_duration:.2f} s; is it cut off?')
                break
            if not np.isfinite(part).all():
                raise AudioFileError(f'{self.sound_name}: found samples that are NaN or infinite, expected finite ones')
            if not parts[0].size:
                parts[0] = np.zeros((len(part), 0), np.float32)
            parts.append(part)
            held += part.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._buffer = joined[:, max(0, first - self._buffer_start):]
        self._buffer_start = max(first, self._buffer_start) if joined.size else self._buffer_start
        return self._buffer[:, :last - first]

    def close(self) -> None:
        self._container.close()
        self._sounds.close()


def _length(stream) -> float:
    """Seconds that a stream lasts; 0 where neither the stream nor, in Matroska, its tag says it."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    # mkvmerge's is called DURATION-eng
    tag = next((value for key, value in stream.metadata.items() if key.partition('-')[0] == 'DURATION'), '')
    stated = re.fullmatch(r'(\d+):(\d\d):(\d\d\.?\d*)', tag)
    if stated is None:
        return 0.
    hours, minutes, seconds = map(float, stated.groups())
    return max(0., 3600 * hours + 60 * minutes + seconds - _start(stream))  # ffmpeg writes when it ends


def _start(stream) -> float:
    """Seconds at which a stream begins; containers need not start their streams together."""
    return float(stream.start_time * stream.time_base) if stream.start_time else 0.
