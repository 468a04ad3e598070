"""Videos, folders and arrays through the inferencer."""
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from PIL import Image
from test_display_matrix import LYING, turn

from mmicf.apis import AVSInferencer
from mmicf.apis.av_inferencer import picture_count, window_starts
from mmicf.apis.media import MediaError
from mmicf.apis.result_writer import run_lengths
from mmicf.apis.video_file import write_video
from mmicf.apis.video_media import VideoMedia
from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import DATASETS, INFERENCERS, MODELS
from mmicf.utils.audio_file import AudioFileError, SoundFile, resample

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/icf/icf_tiny_synthetic.py'


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory):
    """The tiny model with random weights, whose masks change with picture and sound."""
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / CONFIG)
    model = MODELS.build({**cfg.model, 'icf': None})
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return AVSInferencer(str(ROOT / CONFIG), str(path), device='cpu')


def scene(seconds, fps, height=48, width=64):
    """Pictures of a square that moves, and a tone that rises."""
    frames = np.full((round(seconds * fps), height, width, 3), 40, np.uint8)
    for i, frame in enumerate(frames):
        x = int(i / len(frames) * (width - 16))
        frame[8:24, x:x + 16] = (200, 80, 20)
    t = np.arange(int(seconds * 16000)) / 16000
    return frames, (0.3 * np.sin(2 * np.pi * (200 + 100 * t) * t)).astype(np.float32)


def decoded_sound(path):
    with av.open(str(path)) as file:
        return np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], 1)


def test_a_folder_is_segmented_as_the_dataset_s_clip(inferencer, tmp_path):
    write_tables(str(tmp_path), 'ms3', [r for split in ('train', 'val', 'test')
                                        for r in write_clip(ClipJob(str(tmp_path), 'ms3', split, 0, 0, 64))])
    cfg = dict(inferencer.cfg.test_dataloader.dataset, data_root=str(tmp_path / 'Multi-sources'))
    dataset = DATASETS.build(cfg)
    info = dataset.get_data_info(0)
    with torch.no_grad():
        sample, = inferencer.model.test_step(pseudo_collate([dataset[0]]))
    result = inferencer(str(Path(info['frame_paths'][0]).parent), audio=info['audio'][0]['path'], progress=False)
    assert [p.time for p in result['predictions']] == [k + 15 / 16 for k in range(5)]
    for prediction, frame in zip(result['predictions'], sample.frames, strict=True):
        assert np.allclose(prediction.score, frame.av_score.data[0].numpy(), atol=1e-5)
        assert np.array_equal(prediction.labels, frame.pred_sem_seg.data[0].numpy())


def test_video_out_keeps_pictures_times_and_sound(inferencer, tmp_path):
    frames, waveform = scene(7, 10)
    write_video(tmp_path / 'in.mp4', frames, frame_rate=10, waveform=waveform)
    result = inferencer(str(tmp_path / 'in.mp4'), out_dir=str(tmp_path / 'out'), progress=False)
    overlay, masks, rle = (tmp_path / 'out/in' / name for name in ('overlay.mp4', 'masks', 'masks.jsonl'))
    assert result['files'] == [str(masks), str(rle), str(overlay)]
    with av.open(str(overlay)) as made, av.open(str(tmp_path / 'in.mp4')) as given:
        times, expected = ([f.time for f in file.decode(video=0)] for file in (made, given))
    assert len(times) == 70 and np.allclose(np.diff(times), np.diff(expected), atol=1e-3)
    assert abs(times[0] - expected[0]) < 0.1
    assert np.array_equal(decoded_sound(overlay), decoded_sound(tmp_path / 'in.mp4'))
    memory = inferencer(str(tmp_path / 'in.mp4'), progress=False)['predictions']
    assert [p.time for p in memory] == [k + 15 / 16 for k in range(7)]
    files = sorted(masks.iterdir())
    lines = [json.loads(line) for line in rle.read_text().splitlines()]
    for prediction, file, line in zip(memory, files, lines, strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), prediction.labels) and prediction.labels.shape == (48, 64)
        assert line['time'] == round(prediction.time, 4)
        for segment in line['segments']:
            flat, value = [], 0
            for run in segment['segmentation']['counts']:
                flat += [value] * run
                value = 1 - value
            assert np.array_equal(np.array(flat).reshape(64, 48).T, prediction.labels == segment['category_id'])


def test_a_phone_s_video_is_segmented_upright(inferencer, tmp_path):
    """Masks, run lengths and overlay have the upright picture's frame; nothing is left to turn."""
    frames, waveform = scene(3, 4)
    frames = frames[..., :1].repeat(3, -1)  # colour is stored at half the size, which is not the same lying
    write_video(tmp_path / 'plain.mp4', frames, frame_rate=4, waveform=waveform, quality=0)
    write_video(tmp_path / 'phone.mp4', [np.rot90(frame) for frame in frames], frame_rate=4, waveform=waveform, quality=0)
    lying = inferencer(str(tmp_path / 'phone.mp4'), progress=False)['predictions']
    turn(tmp_path / 'phone.mp4', *LYING)
    upright, turned = (inferencer(str(tmp_path / f'{name}.mp4'), progress=False)['predictions'] for name in ('plain', 'phone'))
    apart = [max(np.abs(a.score - b).max() for a, b in zip(upright, other, strict=True))
             for other in ([p.score for p in turned], [np.rot90(p.score, -1) for p in lying])]
    assert apart[0] < 0.2 * apart[1], apart
    out = inferencer(str(tmp_path / 'phone.mp4'), out_dir=str(tmp_path / 'out'), progress=False)
    masks, rle, overlay = map(Path, out['files'])
    assert all(Image.open(path).size == (64, 48) for path in masks.iterdir())
    segments = [segment for line in rle.read_text().splitlines() for segment in json.loads(line)['segments']]
    assert segments and all(segment['segmentation']['size'] == [48, 64] for segment in segments)
    with av.open(str(overlay)) as file:
        shown = list(file.decode(video=0))
    assert len(shown) == 12 and {frame.rotation for frame in shown} == {0}
    brightest = [frame.to_ndarray(format='rgb24')[..., 0].astype(int) for frame in shown]
    assert {picture.shape for picture in brightest} == {(48, 64)}
    assert all(picture[10:22].mean() > picture[30:].mean() + 10 for picture in brightest)  # the square is above the middle


def test_the_second_reader_is_closed_where_writing_fails(inferencer, tmp_path, monkeypatch):
    frames, waveform = scene(2, 4)
    write_video(tmp_path / 'in.mp4', frames, frame_rate=4)
    soundfile.write(tmp_path / 'sound.wav', waveform, 16000)
    closed, close = [], VideoMedia.close
    monkeypatch.setattr(VideoMedia, 'close', lambda self: (closed.append(self), close(self)))

    def full(self, *_):
        raise OSError('no space left')

    monkeypatch.setattr('mmicf.apis.result_writer.AVSLocalVisualizer.overlay', full)
    with pytest.raises(OSError, match='no space'):
        inferencer(str(tmp_path / 'in.mp4'), audio=str(tmp_path / 'sound.wav'), out_dir=str(tmp_path / 'out'), progress=False)
    assert len(set(map(id, closed))) == 2


def test_windows_do_not_change_what_a_clip_says(inferencer):
    """The last window of 7 s is shifted back to 2..7; its pictures are those of a clip that begins there."""
    frames, waveform = scene(7, 1)
    whole = inferencer(dict(frames=frames, waveform=waveform), progress=False)['predictions']
    first = inferencer(dict(frames=frames[:5], waveform=waveform[:80000]), progress=False)['predictions']
    last = inferencer(dict(frames=frames[2:], waveform=waveform[32000:]), progress=False)['predictions']
    assert all(np.allclose(a.score, b.score, atol=1e-3) for a, b in zip(whole[:3], first[:3], strict=True))
    assert all(np.allclose(a.score, b.score, atol=1e-3) for a, b in zip(whole[5:], last[3:], strict=True))
    dense = inferencer(dict(frames=frames, waveform=waveform), fps=2, overlap=3, progress=False)['predictions']
    times = [p.time for p in dense]
    assert times == sorted(set(times)) and len(times) == 13 and np.allclose(np.diff(times), 0.5)


@pytest.fixture
def heard(inferencer, monkeypatch):
    """Waveforms that the inferencer's pipeline gets, clip by clip."""
    found, pipeline = [], inferencer.pipeline
    monkeypatch.setattr(inferencer, 'pipeline', lambda results: (found.append(results['waveform']), pipeline(results))[1])
    return found


@pytest.mark.parametrize('count, rate', [(149, 30000 / 1001), (124, 25), (119, 24)])
def test_the_last_second_of_a_video_that_is_a_few_pictures_short(inferencer, heard, count, rate):
    """The picture at 4.9375 s is there; what is missing of its sound is silence."""
    frames, waveform = scene(5, rate)[0][:count], scene(5, 1)[1][:round(count / rate * 16000)]
    predictions = inferencer(dict(frames=frames, waveform=waveform, fps=rate), progress=False)['predictions']
    assert [p.time for p in predictions] == [k + 15 / 16 for k in range(5)]
    assert heard[0].shape == (1, 80000) and not heard[0][0, len(waveform):].any()
    assert np.array_equal(heard[0][0, :len(waveform)], waveform)


def test_picture_count():
    assert [picture_count(duration, 1) for duration in (0.2, 0.94, 1.9, 1.94, 4.93, 4.96, 5, 5.9)] == [1, 1, 1, 2, 4, 5, 5, 5]
    assert picture_count(7, 2) == 13 and picture_count(4.96, 4) == 17 and picture_count(1.5, 2) == 2


def test_pictures_between_seconds_hear_their_own_sound(inferencer, heard):
    """Those at half a second are those of a clip that begins there."""
    frames, waveform = scene(5.5, 2)
    dense = inferencer(dict(frames=frames, waveform=waveform, fps=2), fps=2, progress=False)['predictions']
    later = inferencer(dict(frames=frames[1:], waveform=waveform[8000:], fps=2), progress=False)['predictions']
    assert len(dense) == 10 and len(later) == 5 and np.array_equal(heard[1], heard[2])
    assert all(np.allclose(a.score, b.score, atol=1e-5) for a, b in zip(dense[1::2], later, strict=True))


@pytest.mark.parametrize('rate', [44100, 48000])
def test_windows_hear_what_the_whole_sound_resampled_says(inferencer, heard, rate):
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 7 * rate)).astype(np.float32)
    inferencer(dict(frames=scene(7, 1)[0], waveform=waveform, sample_rate=rate), progress=False)
    whole = resample(waveform.mean(0, keepdims=True), rate, 16000)  # both channels
    assert len(heard) == 2
    for got, start in zip(heard, (0, 2), strict=True):
        assert np.abs(got - whole[:, start * 16000:(start + 5) * 16000]).max() < 1e-4


def test_sound_at_a_rate_that_cannot_be_resampled_is_named(inferencer):
    with pytest.raises(AudioFileError, match='mine: cannot resample 44101 Hz to 16000 Hz'):
        inferencer(dict(frames=scene(1, 1)[0], waveform=np.zeros(44101), sample_rate=44101, name='mine'), progress=False)


def test_window_starts():
    assert window_starts(5, 5, 0) == [0] and window_starts(3, 3, 2) == [0]
    assert window_starts(12, 5, 0) == [0, 5, 7] and window_starts(9, 5, 3) == [0, 2, 4]


def test_sound_of_a_video_is_read_piece_by_piece(tmp_path):
    frames, waveform = scene(6, 5)
    write_video(tmp_path / 'in.mp4', frames, frame_rate=5, waveform=waveform)
    whole = decoded_sound(tmp_path / 'in.mp4')
    media = VideoMedia(tmp_path / 'in.mp4')
    for start, end in ((0, 2.5), (1.5, 3), (4, 9)):
        part = media.sound(start, end)
        assert np.array_equal(part, whole[:, round(start * 16000):round(end * 16000)])
    shown = [f.mean() for f in VideoMedia(tmp_path / 'in.mp4').frames([0, 0.19, 0.2, 5.9])]
    assert shown[0] == shown[1] and len(shown) == 4


@pytest.mark.parametrize('lag', [0.5, -0.5])
def test_sound_that_starts_late_or_early_is_heard_in_time(inferencer, tmp_path, lag):
    """The click lies 2 s after the first picture, wherever the streams begin."""
    frames, _ = scene(4, 8)
    rate = 16000
    click = np.zeros((1, 4 * rate), np.float32)
    click[0, round((2 - lag) * rate):][:160] = 0.9
    with av.open(str(tmp_path / 'in.mkv'), 'w') as file:
        video = file.add_stream('libx264', rate=8, options=dict(tune='zerolatency'))
        video.height, video.width, video.pix_fmt = 48, 64, 'yuv420p'
        sound = file.add_stream('pcm_s16le', rate=rate, layout='mono')
        samples = av.AudioFrame.from_ndarray((click * 32767).astype(np.int16), format='s16', layout='mono')
        samples.rate, samples.time_base, samples.pts = rate, Fraction(1, rate), max(0, round(lag * rate))
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format='rgb24')
            picture.time_base, picture.pts = Fraction(1, 8), i + max(0, round(-lag * 8))
            file.mux(video.encode(picture))
        file.mux(video.encode())
        file.mux(sound.encode(samples))
        file.mux(sound.encode())
    media = VideoMedia(tmp_path / 'in.mkv')
    found = np.flatnonzero(np.abs(media.sound(0, 4)[0]) > 0.5)
    assert abs(found[0] / rate - 2) < 2e-3 and len(found) == 160
    assert abs(VideoMedia(tmp_path / 'in.mkv').sound(1.5, 3)[0].argmax() / rate - 0.5) < 2e-3
    overlay, = inferencer(str(tmp_path / 'in.mkv'), out_dir=str(tmp_path / 'out'), save=['video'], progress=False)['files']
    again = VideoMedia(overlay)
    assert abs(np.abs(again.sound(0, 4)[0]).argmax() / rate - 2) < 1 / 8 and again.sound_duration > 3


def test_another_sound_is_heard_and_kept_in_time(inferencer, tmp_path):
    """A silent video with a wav of its own: the overlay carries the wav, aligned with the first picture."""
    frames, waveform = scene(5, 8)
    write_video(tmp_path / 'in.mp4', frames, frame_rate=8)
    soundfile.write(tmp_path / 'sound.wav', waveform, 16000)
    out = inferencer(str(tmp_path / 'in.mp4'), audio=str(tmp_path / 'sound.wav'), out_dir=str(tmp_path / 'out'), save=['video'],
                     progress=False)
    assert out['count'] == 5
    heard = decoded_sound(out['files'][0])[0][:len(waveform)]
    spectrum = np.fft.rfft(heard, 2**18) * np.conj(np.fft.rfft(waveform, 2**18))
    lag = int(np.fft.irfft(spectrum).argmax())
    assert min(lag, 2**18 - lag) / 16000 < 1 / 8 and heard.std() > 0.8 * waveform.std()
    # A video's own sound, taken out and given back, is the same sound; AAC's changes to it are in both.
    write_video(tmp_path / 'sounding.mp4', frames, frame_rate=8, waveform=waveform)
    own = inferencer(str(tmp_path / 'sounding.mp4'), progress=False)['predictions']
    soundfile.write(tmp_path / 'own.wav', decoded_sound(tmp_path / 'sounding.mp4')[0], 16000, subtype='FLOAT')
    given = inferencer(str(tmp_path / 'in.mp4'), audio=str(tmp_path / 'own.wav'), progress=False)['predictions']
    assert max(np.abs(a.score - b.score).max() for a, b in zip(given, own, strict=True)) < 1e-3
    (tmp_path / 'text.wav').write_text('no sound')
    with pytest.raises(AudioFileError, match=r'text\.wav'):
        inferencer(str(tmp_path / 'in.mp4'), audio=str(tmp_path / 'text.wav'), progress=False)
    with pytest.raises(AudioFileError, match=r'in\.mp4: found no sound'):
        inferencer(str(tmp_path / 'in.mp4'), audio=str(tmp_path / 'in.mp4'), progress=False)


@pytest.mark.parametrize('seconds, missing', [(0, 'no sound'), (2, r'found 2\.\d+ s of sound for 6\.00 s')])
def test_missing_sound_is_an_error_or_silence(inferencer, tmp_path, seconds, missing):
    frames, waveform = scene(6, 5)
    write_video(tmp_path / 'in.mp4', frames, frame_rate=5, waveform=waveform[:seconds * 16000] if seconds else None)
    with pytest.raises(MediaError, match=missing):
        inferencer(str(tmp_path / 'in.mp4'), progress=False)
    assert len(inferencer(str(tmp_path / 'in.mp4'), missing_sound='silence', progress=False)['predictions']) == 6


def test_lists_folders_and_bad_input(inferencer, tmp_path):
    frames, waveform = scene(3, 1)
    (tmp_path / 'clip').mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f'clip/{i + 8}.png')  # 10.png comes after 9.png
    soundfile.write(tmp_path / 'clip.wav', waveform, 16000, subtype='FLOAT')
    array, folder = inferencer([dict(frames=frames, waveform=waveform), str(tmp_path / 'clip')], progress=False)
    assert all(np.allclose(a.score, b.score, atol=1e-4) for a, b in zip(array['predictions'], folder['predictions'], strict=True))
    out = inferencer(str(tmp_path / 'clip'), out_dir=str(tmp_path / 'out'), save=['video'], progress=False)
    assert decoded_sound(out['files'][0]).shape[1] >= 3 * 16000
    with pytest.raises(FileNotFoundError, match='nowhere'):
        inferencer('nowhere.mp4')
    (tmp_path / 'no.mp4').write_text('no video')
    with pytest.raises(MediaError, match=r'no\.mp4: cannot be opened'):
        inferencer(str(tmp_path / 'no.mp4'))
    with pytest.raises(MediaError, match='uint8'):
        inferencer(dict(frames=frames.astype(float), waveform=waveform))
    for options, found in ((dict(overlap=5), r'overlap .* in 0\.\.4, got 5'), (dict(overlap=-1), 'overlap'),
                           (dict(overlap=0.5), 'overlap'), (dict(fps=0.5), 'fps must be a whole number of at least 1, got 0.5'),
                           (dict(fps=2.5), 'fps'), (dict(fps=0), 'fps'), (dict(fps=float('nan')), 'fps')):
        with pytest.raises(ValueError, match=found):
            inferencer(dict(frames=frames, waveform=waveform), **options)
    for number in (0, -3, 2.5):
        with pytest.raises(ValueError, match=f'num_frames must be a whole number of at least 1, got {number}'):
            AVSInferencer('icf_tiny_synthetic', 'x.pth', num_frames=number)
    with pytest.raises(FileNotFoundError, match='no_such_model'):
        AVSInferencer('no_such_model', 'x.pth')
    with pytest.raises(FileNotFoundError, match='baseline_pvt: no config has that name; there are baseline_pvt_avss, '):
        AVSInferencer('baseline_pvt', 'x.pth')  # a base config, which has no dataset, has that name
    with pytest.raises(FileNotFoundError, match=r'icf_tiny_synthetc: .* there are icf_tiny_synthetic'):
        AVSInferencer('icf_tiny_synthetc', 'x.pth')


def test_results_of_a_list_do_not_overwrite_each_other(inferencer, tmp_path):
    frames, waveform = scene(2, 1)
    named, *others = [dict(frames=frames, waveform=waveform, name='mine'), *[dict(frames=frames, waveform=waveform)] * 2]
    out = inferencer([named, *others], out_dir=str(tmp_path), save=['rle'], progress=False)
    assert [one['files'] for one in out] == [[str(tmp_path / name / 'masks.jsonl')] for name in ('mine', 'array_1', 'array_2')]
    with pytest.raises(ValueError, match='an array named mine and an array named mine'):
        inferencer([named, named], out_dir=str(tmp_path), progress=False)
    assert len(inferencer([named, named], progress=False)) == 2


def test_scores_are_kept_picture_by_picture(inferencer, tmp_path, monkeypatch):
    frames, waveform = scene(7, 1)
    clip = dict(frames=frames, waveform=waveform)
    out = inferencer(clip, out_dir=str(tmp_path), save=['masks', 'scores'], progress=False)
    assert out['files'] == [str(tmp_path / 'array/masks'), str(tmp_path / 'array/scores.npz')]
    with np.load(out['files'][1]) as file:
        assert [f'{name}.png' for name in file.files] == sorted(p.name for p in (tmp_path / 'array/masks').iterdir())
        for prediction, name in zip(inferencer(clip, progress=False)['predictions'], file.files, strict=True):
            assert file[name].dtype == np.float16 and np.allclose(file[name], prediction.score, atol=1e-3)
    monkeypatch.setattr(inferencer, 'metainfo', dict(inferencer.metainfo, classes=['background', 'dog', 'cat']))
    with pytest.raises(ValueError, match=r'binary models; found one of 3 classes'):
        inferencer(clip, out_dir=str(tmp_path), save=['scores'], progress=False)


def test_the_registry_knows_it():
    assert INFERENCERS.get('AVSInferencer') is INFERENCERS.get('mmicf.AVSInferencer') is AVSInferencer


def test_sound_of_a_folder_is_read_piece_by_piece(inferencer, tmp_path, monkeypatch):
    (tmp_path / 'clip').mkdir()
    frames, waveform = scene(23, 1)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f'clip/{i}.png')
    soundfile.write(tmp_path / 'clip.wav', waveform, 16000, subtype='FLOAT')
    asked, read = [], SoundFile.read

    def spy(self, first, last):
        asked.append(last - first)
        return read(self, first, last)

    monkeypatch.setattr(SoundFile, 'read', spy)
    out = inferencer(str(tmp_path / 'clip'), out_dir=str(tmp_path / 'out'), progress=False)
    assert out['count'] == 23
    assert max(asked) <= 6.3 * 16000  # a window of five seconds, its margins, and the second that finer sampling may need
    heard = decoded_sound(out['files'][2])[0]
    lag = np.correlate(heard[:3 * 16000], waveform[:2 * 16000], 'valid').argmax()
    assert lag < 1600  # an encoder's delay at most
    assert abs(len(heard) - len(waveform)) <= 2048
    again = inferencer(dict(frames=frames, waveform=waveform), progress=False)
    labels = [np.asarray(Image.open(path)) for path in sorted((tmp_path / 'out/clip/masks').iterdir())]
    assert all(np.array_equal(a, b.labels) for a, b in zip(labels, again['predictions'], strict=True))


def test_run_lengths():
    mask = np.array([[1, 0, 0], [1, 1, 0]], bool)
    assert run_lengths(mask) == dict(size=[2, 3], counts=[0, 2, 1, 1, 2])
    assert run_lengths(np.zeros((2, 2), bool)) == dict(size=[2, 2], counts=[4])
