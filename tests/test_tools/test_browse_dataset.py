"""Pictures and videos of a set, as its pipeline hands them over."""
import av
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from tiny_runs import make_model, make_set, run_tool

from mmicf.utils.audio_file import read_audio


def video(path):
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format='rgb24') for frame in file.decode(video=0)]
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate if file.streams.audio else None
        sound = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], 1)[0] if rate else None
    return frames, sound, rate


@pytest.fixture
def small(tmp_path):
    root = make_set(tmp_path, 'ms3', test=2)
    return root, make_model(tmp_path, 'tpavi/tpavi_tiny_synthetic.py', root, size=80)[0]


def test_videos_show_the_frames_and_play_the_sound(small, tmp_path, monkeypatch, capsys):
    root, config = small
    run_tool(monkeypatch, 'browse_dataset', config, '--split', 'test', '--out-dir', tmp_path / 'out', '--num', 1)
    assert 'clip 0 of 2, AVSBenchMS3Dataset test\n' in capsys.readouterr().out
    name = 'syntest00000'
    assert Image.open(tmp_path / f'out/{name}.png').width > 300
    frames, sound, rate = video(tmp_path / f'out/{name}.mp4')
    assert len(frames) == 5 * 8 and frames[0].shape == (320, 320, 3)  # 80 pixels, four times
    for t in range(5):
        stored = Image.open(root / f'ms3_data/visual_frames/{name}/{name}.mp4_{t + 1}.png').convert('RGB')
        unmarked = np.asarray(Image.open(root / f'ms3_data/gt_masks/test/{name}/{name}_{t + 1}.png').resize((320, 320))) == 0
        error = np.abs(frames[8 * t + 4].astype(int) - np.asarray(stored.resize((320, 320))).astype(int))
        assert error[unmarked].mean() < 12
    given, given_rate = read_audio(root / f'ms3_data/audio_wav/test/{name}.wav')
    assert rate == given_rate == 16000
    length = min(len(sound), given.shape[1])
    assert np.corrcoef(sound[:length], given[0, :length])[0, 1] > 0.9


def test_sound_as_the_front_end_gets_it_and_none(small, tmp_path, monkeypatch, capsys):
    config = small[1]
    for name in ('syntest00000', 'syntest00001'):  # stands in for the stored examples
        np.save(tmp_path / f'{name}.npy', np.zeros((5, 1, 96, 64), np.float32))
    for kind, steps in (('silent', ['LoadAudio', 'SilenceAudio', 'LogMel']), ('stored', ['LoadLogMel'])):
        cfg = Config.fromfile(config)
        pipeline = [step for step in cfg.test_dataloader.dataset.pipeline if step['type'] not in ('LoadAudio', 'LogMel')]
        cfg.test_dataloader.dataset.pipeline = [*pipeline[:-1], *(dict(type=step) for step in steps), pipeline[-1]]
        cfg.test_dataloader.dataset.log_mel_dir = str(tmp_path)
        cfg.dump(tmp_path / f'{kind}.py')
        run_tool(monkeypatch, 'browse_dataset', tmp_path / f'{kind}.py', '--split', 'test', '--out-dir', tmp_path / kind,
                 '--num', 1, '--save', 'video')
        _, sound, _ = video(tmp_path / kind / 'syntest00000.mp4')
        assert not list((tmp_path / kind).glob('*.png'))
        assert ('no sound in this pipeline' in capsys.readouterr().out) == (sound is None) == (kind == 'stored')
        assert sound is None or np.abs(sound).max() < 1e-3
