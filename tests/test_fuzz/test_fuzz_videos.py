"""Broken mp4 files: pictures and sound of the stated form, or a named refusal."""
import re
import struct

import av
import numpy as np
import pytest
from broken_files import bounded, damaged, places, read_or_refuse
from hypothesis import given
from hypothesis import strategies as st

from mmicf.apis.media import MediaError
from mmicf.apis.open_media import open_media
from mmicf.apis.video_media import VideoMedia
from mmicf.utils.audio_file import AudioFileError, read_audio

BOXES = re.compile(b'mvhd|tkhd|mdhd|hdlr|stsd|avc1|avcC|mp4a|esds|stts|ctts|stsc|stsz|stco|elst|ilst|data|mdat')
SIZE, SECONDS, FPS, RATE = (16, 64), 6, 4, 16000


def write_video(path, **options):
    """Six seconds of a moving bar with a tone."""
    with av.open(str(path), 'w', options=options) as file:
        video = file.add_stream('libx264', rate=FPS, options=dict(crf='20', preset='ultrafast', g='4'))
        video.height, video.width, video.pix_fmt = *SIZE, 'yuv420p'
        sound = file.add_stream('aac', rate=RATE, layout='mono')
        for i in range(SECONDS * FPS):
            picture = np.zeros((*SIZE, 3), np.uint8)
            picture[:, 2 * i:2 * i + 6] = 200
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format='rgb24')))
        for start in range(0, SECONDS * RATE - 1023, 1024):
            wave = 0.3 * np.sin(np.arange(start, start + 1024) / 9)[None].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave, format='fltp', layout='mono')
            frame.rate, frame.pts = RATE, start
            file.mux(sound.encode(frame))
        file.mux([*video.encode(), *sound.encode()])


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """The file with its index at the end and, 'fast', at the start, so that a cut file can still be opened."""
    folder = tmp_path_factory.mktemp('videos')
    write_video(folder / 'plain.mp4')
    write_video(folder / 'fast.mp4', movflags='faststart')
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


def read_all(path):
    """Everything that the inferencer asks of a video."""
    media = open_media(str(path))
    try:
        times = np.arange(0, min(media.duration, 2 * SECONDS), 0.5)
        return media.size, list(media.frames(times)), media.sound(0., 1.), media.sound(1., 2 * SECONDS), media
    finally:
        media.close()


def check(found):
    if found is not None:
        size, frames, first, rest, media = found
        assert all(frame.dtype == np.uint8 and frame.shape == (*size, 3) and frame.size for frame in frames)
        assert all(wave.dtype == np.float32 and wave.ndim == 2 and np.isfinite(wave).all() for wave in (first, rest))
        assert np.isfinite(media.duration) and media.duration > 0 and np.isfinite(media.sound_duration)
    return found


def box_bytes(draw, valid):
    """A file with the body of a box of its index overwritten: the names and nesting stay."""
    at = draw(st.sampled_from([found.end() for found in BOXES.finditer(valid)])) + draw(st.integers(0, 40))
    noise = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([0, 1, 2**31 - 1, 2**32 - 1]).map(
        lambda n: struct.pack('>I', n))))
    return valid[:at] + noise + valid[at + len(noise):]


def test_the_whole_file_is_read(tmp_path, videos):
    for name, content in videos.items():
        (tmp_path / f'{name}.mp4').write_bytes(content)
        size, frames, first, rest, media = check(read_or_refuse(read_all, tmp_path / f'{name}.mp4'))
        assert size == SIZE and len(frames) == 2 * SECONDS and first.shape == (1, RATE)
        assert abs(rest.shape[1] / RATE - (SECONDS - 1)) < 0.2 and media.duration == SECONDS
        assert not np.array_equal(frames[0], frames[-1])


@pytest.mark.parametrize('kind', ['plain', 'fast'])
@bounded(60)
@given(data=st.data())
def test_damaged_videos(tmp_path, videos, kind, data):
    path = tmp_path / 'clip.mp4'
    path.write_bytes(data.draw(damaged(videos[kind])))
    check(read_or_refuse(read_all, path))


@bounded(120)
@given(data=st.data())
def test_videos_with_a_wrong_index(tmp_path, videos, data):
    path = tmp_path / 'clip.mp4'
    path.write_bytes(box_bytes(data.draw, videos[data.draw(st.sampled_from(['plain', 'fast']))]))
    check(read_or_refuse(read_all, path))


@bounded(80)
@given(data=st.data())
def test_the_sound_of_damaged_videos(tmp_path, videos, data):
    path, content = tmp_path / 'clip.mp4', videos[data.draw(st.sampled_from(['plain', 'fast']))]
    path.write_bytes(data.draw(damaged(content)) if data.draw(st.booleans()) else box_bytes(data.draw, content))
    found = read_or_refuse(read_audio, path)
    if found is not None:
        assert found[0].dtype == np.float32 and found[0].ndim == 2 and found[0].size and found[1] >= 1000


@bounded(40)
@given(data=st.data())
def test_a_cut_video_is_never_a_shorter_one(tmp_path, videos, data):
    """With its index in front it opens, and its last picture must not stand for those that are gone."""
    path, content = tmp_path / 'clip.mp4', videos['fast']
    keep = data.draw(places(len(content) // 2))
    path.write_bytes(content[:keep])
    assert read_or_refuse(read_all, path) is None


def test_other_files_under_a_video_name(tmp_path):
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(MediaError, match=r'text\.mp4: cannot be opened as video'):
        VideoMedia(tmp_path / 'text.mp4')
    with pytest.raises(AudioFileError, match=r'text\.mp4: cannot be decoded'):
        read_audio(tmp_path / 'text.mp4')
    with pytest.raises(FileNotFoundError, match=r'gone\.mp4: no such file'):
        VideoMedia(tmp_path / 'gone.mp4')
