import builtins
import struct

import numpy as np
import pytest
import soundfile

from mmicf.utils.audio_file import AudioFileError, SoundFile, read_audio, resample


def _sine(rate, seconds=1.0, hertz=440.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize('rate', [8000, 22050, 48000])
@pytest.mark.parametrize('channels', [1, 2, 6])
def test_integers_over_32768(tmp_path, rate, channels):
    samples = np.random.default_rng(0).integers(-32768, 32768, (rate // 10, channels), dtype=np.int16)
    soundfile.write(tmp_path / 'a.wav', samples, rate)
    waveform, found = read_audio(tmp_path / 'a.wav')
    assert found == rate and waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, samples.T.astype(np.float64) / 32768)


@pytest.mark.parametrize('subtype, tolerance', [('PCM_24', 2**-15), ('PCM_U8', 2**-7), ('FLOAT', 0), ('DOUBLE', 1e-7)])
def test_other_sample_formats(tmp_path, subtype, tolerance):
    """libsndfile would turn float samples below 1 into zeros if asked for integers."""
    samples = _sine(16000).astype(np.float32)
    soundfile.write(tmp_path / 'a.wav', samples, 16000, subtype=subtype)
    assert np.abs(read_audio(tmp_path / 'a.wav')[0][0] - samples).max() <= tolerance


@pytest.mark.parametrize('suffix', ['flac', 'ogg', 'mp3'])
def test_compressed_files(tmp_path, suffix):
    soundfile.write(tmp_path / f'a.{suffix}', _sine(16000), 16000)
    waveform, rate = read_audio(tmp_path / f'a.{suffix}')
    assert rate == 16000 and waveform.shape[0] == 1
    assert np.abs(waveform[0, 2000:14000] - _sine(16000)[2000:14000]).max() < 0.05


@pytest.mark.parametrize('suffix', ['.wav', '.flac'])
def test_pieces_of_a_file(tmp_path, suffix):
    samples = (np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 2)) * 32767).astype(np.int16)
    soundfile.write(tmp_path / f'a{suffix}', samples, 16000)
    whole, rate = read_audio(tmp_path / f'a{suffix}')
    with SoundFile(tmp_path / f'a{suffix}') as file:
        assert (file.sample_rate, file.num_samples) == (rate, 5000)
        for first, last in [(0, 100), (4000, 4100), (50, 4900), (4900, 9000), (6000, 7000), (-5, 10)]:
            assert np.array_equal(file.read(first, last), whole[:, max(0, first):last])


def test_a_bad_piece_is_named(tmp_path):
    samples = np.zeros(4000, np.float32)
    samples[3000] = np.nan
    soundfile.write(tmp_path / 'a.wav', samples, 16000, subtype='FLOAT')
    with SoundFile(tmp_path / 'a.wav') as file:
        assert file.read(0, 2000).shape == (1, 2000)
        with pytest.raises(AudioFileError, match=r'a\.wav: 1 of 2000 samples are NaN'):
            file.read(2000, 4000)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'absent\.wav: no such audio file'):
        read_audio(tmp_path / 'absent.wav')


@pytest.mark.parametrize('keep', [0.9, 0.5, 0.02])
def test_truncated_wav(tmp_path, keep):
    """libsndfile itself reads such a file without complaint."""
    soundfile.write(tmp_path / 'a.wav', _sine(16000), 16000)
    whole = (tmp_path / 'a.wav').read_bytes()
    (tmp_path / 'a.wav').write_bytes(whole[:int(keep * len(whole))])
    assert len(soundfile.read(tmp_path / 'a.wav')[0]) < 16000
    with pytest.raises(AudioFileError, match=r'a\.wav: truncated, \d+ of 32000 bytes'):
        read_audio(tmp_path / 'a.wav')


def test_truncated_flac(tmp_path):
    soundfile.write(tmp_path / 'a.flac', np.random.default_rng(0).uniform(-1, 1, 160000), 16000)
    whole = (tmp_path / 'a.flac').read_bytes()
    (tmp_path / 'a.flac').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(AudioFileError, match=r'a\.flac'):
        read_audio(tmp_path / 'a.flac')


def test_wav_written_to_a_pipe(tmp_path):
    """ffmpeg cannot go back and fill in the sizes: it leaves 0xFFFFFFFF."""
    soundfile.write(tmp_path / 'a.wav', _sine(16000), 16000)
    data = bytearray((tmp_path / 'a.wav').read_bytes())
    at = data.index(b'data')
    data[4:8] = data[at + 4:at + 8] = struct.pack('<I', 0xFFFFFFFF)
    (tmp_path / 'a.wav').write_bytes(data)
    assert read_audio(tmp_path / 'a.wav')[0].shape == (1, 16000)


@pytest.mark.parametrize('data', [b'', b'RIFF', b'this is no sound file', bytes(5000)])
def test_unreadable_file(tmp_path, data):
    (tmp_path / 'a.wav').write_bytes(data)
    with pytest.raises(AudioFileError, match=rf'a\.wav: cannot be read as sound .* {len(data)} bytes found'):
        read_audio(tmp_path / 'a.wav')


def test_empty_nan_and_unscaled_files(tmp_path):
    soundfile.write(tmp_path / 'empty.wav', np.zeros(0), 16000)
    samples = _sine(16000)
    samples[[5, 7]] = np.nan, np.inf
    soundfile.write(tmp_path / 'nan.wav', samples, 16000, subtype='FLOAT')
    soundfile.write(tmp_path / 'loud.wav', 20000 * _sine(16000), 16000, subtype='FLOAT')
    for name, message in (('empty', 'holds no samples'), ('nan', '2 of 16000 samples are NaN or infinite'),
                          ('loud', r'samples reach 1e\+04')):
        with pytest.raises(AudioFileError, match=rf'{name}\.wav: {message}'):
            read_audio(tmp_path / f'{name}.wav')


def _write_video(path, *, sound=None, rate=44100, options=None):
    import av
    with av.open(str(path), 'w', options=options or {}) as container:
        video = container.add_stream('mpeg4', rate=5)
        video.width, video.height, video.pix_fmt = 32, 32, 'yuv420p'
        audio = container.add_stream('aac', rate=rate, layout='stereo') if sound is not None else None
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format='rgb24')
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            for start in range(0, sound.shape[1], 1024):
                part = np.ascontiguousarray(sound[:, start:start + 1024], dtype=np.float32)
                frame = av.AudioFrame.from_ndarray(part, format='fltp', layout='stereo')
                frame.sample_rate, frame.pts = rate, start
                container.mux(audio.encode(frame))
            container.mux(audio.encode())


def test_sound_track_of_a_video(tmp_path):
    sound = np.stack([_sine(44100, 2), _sine(44100, 2, hertz=1000, amplitude=0.25)])
    _write_video(tmp_path / 'a.mp4', sound=sound)
    waveform, rate = read_audio(tmp_path / 'a.mp4')
    assert rate == 44100 and waveform.shape[0] == 2 and abs(waveform.shape[1] - 88200) <= 2048
    spectrum = np.abs(np.fft.rfft(waveform[:, :44100]))  # one second: bin = Hz
    assert spectrum.argmax(axis=1).tolist() == [440, 1000]
    np.testing.assert_allclose(waveform[:, 8000:80000].std(axis=1), [0.5 / 2**0.5, 0.25 / 2**0.5], rtol=0.05)


def test_video_without_sound_track(tmp_path):
    _write_video(tmp_path / 'mute.mp4')
    with pytest.raises(AudioFileError, match=r'mute\.mp4: has no sound track'):
        read_audio(tmp_path / 'mute.mp4')


@pytest.mark.parametrize('index_first', [False, True])
def test_truncated_video(tmp_path, index_first):
    """Without its index, which lies at the end, nothing can be decoded; with the index in front, the rest just ends."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5 * 44100))
    _write_video(tmp_path / 'a.mp4', sound=sound, options={'movflags': 'faststart'} if index_first else None)
    whole = (tmp_path / 'a.mp4').read_bytes()
    (tmp_path / 'a.mp4').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(AudioFileError, match=r'a\.mp4: (cannot be decoded|truncated, \d\.\d+ s of 5\.\d+ s)'):
        read_audio(tmp_path / 'a.mp4')


def test_video_without_pyav_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / 'a.mp4').write_bytes(b'x')
    plain = builtins.__import__

    def no_av(name, *args, **kwargs):
        if name == 'av':
            raise ImportError('No module named av')
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', no_av)
    with pytest.raises(ImportError, match=r"mmicf\[video\]"):
        read_audio(tmp_path / 'a.mp4')


@pytest.mark.parametrize('rate, target', [(8000, 16000), (44100, 16000), (48000, 22050), (16000, 48000)])
def test_resampling_keeps_a_tone_and_removes_what_does_not_fit(rate, target):
    waveform = np.stack([_sine(rate), _sine(rate, hertz=1000)]).astype(np.float32)
    result = resample(waveform, rate, target)
    assert result.shape == (2, target) and result.dtype == np.float32
    expected = np.stack([_sine(target), _sine(target, hertz=1000)])
    assert np.abs(result - expected)[:, 500:-500].max() < 1e-4
    if target < rate:  # a tone above the new Nyquist frequency would come back as an alias
        above = resample(_sine(rate, hertz=0.6 * target)[None].astype(np.float32), rate, target)
        assert np.abs(above[:, 500:-500]).max() < 1e-4


def test_same_rate_is_untouched_and_odd_rates_are_refused():
    waveform = _sine(16000)[None].astype(np.float32)
    assert resample(waveform, 16000, 16000) is waveform
    with pytest.raises(ValueError, match=r'cannot resample 44101 Hz to 16000 Hz: .* only 1 Hz'):
        resample(waveform, 44101, 16000)
