"""Broken sound files: a waveform in range, or a named refusal."""
import io
import struct

import numpy as np
import pytest
import soundfile
from broken_files import bounded, damaged, read_or_refuse, truncated
from hypothesis import given
from hypothesis import strategies as st

from mmicf.datasets.transforms.audio_features import LogMel
from mmicf.datasets.transforms.loading_audio import LoadAudio
from mmicf.utils.audio_file import MAX_PEAK, RATES, read_audio

TONE = 0.4 * np.sin(np.arange(2000) / 7)


def encode(samples, kind='WAV', subtype=None, rate=16000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


KINDS = {'wav': ('WAV', 'PCM_16'), 'float': ('WAV', 'FLOAT'), 'adpcm': ('WAV', 'MS_ADPCM'), 'flac': ('FLAC', 'PCM_16'),
         'ogg': ('OGG', 'VORBIS'), 'mp3': ('MP3', 'MPEG_LAYER_III'), 'aiff': ('AIFF', 'PCM_16'), 'w64': ('W64', 'PCM_16')}
FILES = {name: encode(TONE, *kind) for name, kind in KINDS.items()}


def check(found):
    if found is not None:
        waveform, rate = found
        assert waveform.dtype == np.float32 and waveform.ndim == 2 and waveform.size and RATES[0] <= rate <= RATES[1]
        assert np.isfinite(waveform).all() and np.abs(waveform).max() <= MAX_PEAK
    return found


@pytest.mark.parametrize('kind', KINDS)
@bounded(40)
@given(data=st.data())
def test_damaged_sound(tmp_path, kind, data):
    path = tmp_path / 'sound.wav'
    path.write_bytes(data.draw(damaged(FILES[kind])))
    check(read_or_refuse(read_audio, path))


@bounded(40)
@given(data=st.data())
def test_a_cut_wav_is_never_a_shorter_sound(tmp_path, data):
    path = tmp_path / 'sound.wav'
    path.write_bytes(data.draw(truncated(FILES['wav'])))
    assert read_or_refuse(read_audio, path) is None


def chunk(name, data, length=None):
    return name + struct.pack('<I', len(data) if length is None else length) + data + b'\0' * (len(data) % 2)


@st.composite
def wav_of_chunks(draw):
    """Chunks with any content and sizes that may lie, in any order."""
    some = st.sampled_from
    form = struct.pack(
        '<HHIIHH', draw(some([1, 3, 0, 2, 6, 7, 17, 49, 80, 85, 0xFFFE])), draw(some([1, 2, 0, 3, 255, 65535])),
        draw(some([16000, 8000, 0, 1, 7, 44101, 2**31 - 1, 2**32 - 1])), draw(some([32000, 0, 1, 2**32 - 1])),
        draw(some([2, 0, 1, 4, 65535])), draw(some([16, 8, 0, 1, 24, 32, 64, 65535]))) + draw(st.binary(max_size=24))
    samples = draw(st.binary(max_size=60)) * draw(some([1, 40]))
    lengths = st.none() | some([0, 1, 10, 4000, 2**31 - 1, 2**32 - 1])
    pool = [chunk(b'fmt ', form, draw(lengths)), chunk(b'data', samples, draw(lengths)), chunk(b'junk', b'', draw(lengths)),
            chunk(b'data', b''), *(chunk(name, draw(st.binary(max_size=20)), draw(lengths)) for name in (b'fact', b'LIST'))]
    body = b''.join([pool[0], *draw(st.lists(some(pool), max_size=3)), pool[1]])
    size = struct.pack('<I', draw(some([len(body) + 4, 0, 2**32 - 1])))
    return draw(some([b'RIFF', b'RIFF', b'RIFX', b'RF64'])) + size + b'WAVE' + body


@bounded(150)
@given(data=st.data())
def test_wav_made_of_chunks(tmp_path, data):
    path = tmp_path / 'sound.wav'
    path.write_bytes(data.draw(wav_of_chunks()))
    check(read_or_refuse(read_audio, path))


@bounded(60)
@given(data=st.data())
def test_the_pipeline_s_front_end(tmp_path, data):
    """From the file to the log-mel of a one-second clip."""
    path = tmp_path / 'sound.wav'
    path.write_bytes(data.draw(wav_of_chunks() | damaged(encode(np.resize(TONE, 16000)))))
    load, features = LoadAudio(duration=1.0, mono=data.draw(st.booleans())), LogMel()
    out = read_or_refuse(lambda p: features(load(dict(clip_id='c', num_frames=1, audio=[dict(path=str(p), position=None)]))), path)
    if out is not None:
        assert out['log_mel'].shape == (1, 1, 96, 64) and np.isfinite(out['log_mel']).all() and out['sample_rate'] == 16000


@pytest.mark.parametrize('rate, message', [
    (1, 'found 1 samples per second; expected 1000 to 1000000'), (44101, 'cannot resample 44101 Hz')])
def test_rates_that_no_recording_has(tmp_path, rate, message):
    path = tmp_path / 'sound.wav'
    path.write_bytes(encode(TONE, rate=rate))
    with pytest.raises(ValueError, match=r'sound\.wav: ' + message):
        LoadAudio()(dict(clip_id='c', num_frames=1, audio=[dict(path=str(path), position=None)]))
