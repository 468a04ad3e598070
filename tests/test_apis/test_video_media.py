"""Videos as other programs leave them: streams of different lengths, sound with gaps, sound that comes late."""
import re
from fractions import Fraction

import av
import numpy as np
import pytest

from mmicf.apis.media import MediaError
from mmicf.apis.video_media import VideoMedia

RATE = 16000


def write(path, *, pictures, packets):
    """Pictures at these seconds, and PCM sound: ``packets`` of (seconds at which it begins, samples in [-1, 1])."""
    with av.open(str(path), 'w') as file:
        video = file.add_stream('libx264', rate=10, options=dict(tune='zerolatency'))
        video.height, video.width, video.pix_fmt = 16, 32, 'yuv420p'
        video.codec_context.time_base = Fraction(1, 1000)
        sound = file.add_stream('pcm_s16le', rate=RATE, layout='mono')
        for i, time in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(np.full((16, 32, 3), 10 + i % 200, np.uint8), format='rgb24')
            picture.time_base, picture.pts = Fraction(1, 1000), round(time * 1000)
            file.mux(video.encode(picture))
        file.mux(video.encode())
        for start, samples in packets:
            for first in range(0, len(samples), 1600):
                piece = (samples[first:first + 1600] * 32767).astype(np.int16)[None]
                frame = av.AudioFrame.from_ndarray(piece, format='s16', layout='mono')
                frame.rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), round(start * RATE) + first
                file.mux(sound.encode(frame))
        file.mux(sound.encode())


def click(seconds, at):
    samples = np.zeros(round(seconds * RATE), np.float32)
    samples[round(at * RATE):][:160] = 0.9
    return samples


def clicks(media, seconds):
    """Seconds of the clicks that are heard, read second by second."""
    heard = np.concatenate([media.sound(k, k + 1)[0] for k in range(seconds)])
    loud = np.flatnonzero(np.abs(heard) > 0.5)
    return loud[np.diff(loud, prepend=-RATE) > 1] / RATE


def test_sound_longer_than_the_pictures(tmp_path):
    """Matroska's streams have no duration of their own; what the longest has must not be expected of the pictures."""
    write(tmp_path / 'in.mkv', pictures=np.arange(50) / 10, packets=[(0, click(8, 1))])
    media = VideoMedia(tmp_path / 'in.mkv')
    assert abs(media.duration - 5) < 0.11 and abs(media.sound_duration - 8) < 0.01
    assert len(list(media.frames([0.9375, 4.9375]))) == 2


def test_sound_shorter_than_the_pictures(tmp_path):
    write(tmp_path / 'in.mkv', pictures=np.arange(80) / 10, packets=[(0, click(3, 1))])
    media = VideoMedia(tmp_path / 'in.mkv')
    assert abs(media.duration - 8) < 0.11 and abs(media.sound_duration - 3) < 0.01


def test_streams_that_begin_late_last_until_their_end(tmp_path):
    write(tmp_path / 'in.mkv', pictures=2 + np.arange(30) / 10, packets=[(1, click(4, 2))])
    media = VideoMedia(tmp_path / 'in.mkv')
    assert abs(media.duration - 3) < 0.11 and abs(media.sound_duration - 3) < 0.01  # both end at 5 s
    assert clicks(media, 3) == pytest.approx([1], abs=2e-3)


def test_lengths_that_mkvmerge_states(tmp_path):
    """It writes a language into the tag, which ffmpeg makes part of the tag's name."""
    write(tmp_path / 'in.mkv', pictures=np.arange(50) / 10, packets=[(0, click(8, 1))])
    content = (tmp_path / 'in.mkv').read_bytes()
    # TagString of 19 bytes → one of 13, and TagLanguage in the place that is left.
    content, changed = re.subn(rb'\x44\x87\x93(00:00:\d\d\.\d{4})\d{5}\0', b'\x44\x87\x8d\\1\x44\x7a\x83eng', content)
    (tmp_path / 'in.mkv').write_bytes(content)
    with av.open(str(tmp_path / 'in.mkv')) as file:
        assert changed == 2 and [list(stream.metadata) for stream in file.streams] == [['DURATION-eng']] * 2
    media = VideoMedia(tmp_path / 'in.mkv')
    assert abs(media.duration - 5) < 0.11 and abs(media.sound_duration - 8) < 0.01


def test_without_stated_lengths_the_file_s_own_counts(tmp_path):
    write(tmp_path / 'in.mkv', pictures=np.arange(50) / 10, packets=[(0, click(8, 1))])
    content = (tmp_path / 'in.mkv').read_bytes()
    assert content.count(b'DURATION') == 2
    (tmp_path / 'in.mkv').write_bytes(content.replace(b'DURATION', b'whatever'))
    media = VideoMedia(tmp_path / 'in.mkv')
    assert abs(media.duration - 8) < 0.01 and abs(media.sound_duration - 8) < 0.01
    with pytest.raises(MediaError, match='cut off'):
        list(media.frames([7.9]))


@pytest.mark.parametrize('gap, heard', [(1.5, [0.5, 4.0]), (0.02, [0.5, 2.5])])
def test_gaps_in_the_sound_do_not_shift_what_follows(tmp_path, gap, heard):
    """A gap is silence; a difference of milliseconds is none."""
    write(tmp_path / 'in.mkv', pictures=np.arange(60) / 10, packets=[(0, click(2, 0.5)), (2 + gap, click(2, 0.5))])
    assert clicks(VideoMedia(tmp_path / 'in.mkv'), 5) == pytest.approx(heard, abs=2e-3)


def test_gaps_in_sound_that_begins_before_the_pictures(tmp_path):
    write(tmp_path / 'in.mkv', pictures=1 + np.arange(60) / 10, packets=[(0, click(0.5, 0.1)), (3, click(2, 0.5))])
    assert clicks(VideoMedia(tmp_path / 'in.mkv'), 5) == pytest.approx([2.5], abs=2e-3)


@pytest.mark.parametrize('packets', [[(40, click(1, 0.5))], [(0, click(1, 0)), (40, click(1, 0.5))]])
def test_long_silence_is_made_piece_by_piece(tmp_path, packets):
    write(tmp_path / 'in.mkv', pictures=np.arange(45), packets=packets)
    media = VideoMedia(tmp_path / 'in.mkv')
    parts, given = [], media._samples
    media._samples = (parts.append(part.shape[1]) or part for part in given)
    assert media.sound(0, 3).shape == (1, 3 * RATE) and sum(parts) <= 4 * RATE
    assert media.sound(40, 41)[0].argmax() == pytest.approx(RATE / 2, abs=32)
    assert max(parts) <= RATE
