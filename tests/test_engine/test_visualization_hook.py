"""The hook reads the stored frames and the sound that the clip names."""
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from mmseg.structures import SegDataSample
from PIL import Image

from mmicf.engine import AVSVisualizationHook
from mmicf.structures import AVDataSample, AVInputs


class Recorder:
    def __init__(self):
        self.calls = []

    def add_clip(self, name, frames, data_sample, out_file=None, step=0, **sound):
        self.calls.append(SimpleNamespace(name=name, frames=frames, out_file=out_file, step=step, **sound))


class Runner:
    def __init__(self):
        self.visualizer = Recorder()
        self.iter_was_read = False

    @property
    def iter(self):
        self.iter_was_read = True
        return 30


@pytest.fixture
def clips(tmp_path):
    """Three clips; the second has no audio file."""
    out = []
    for i in range(3):
        sample = AVDataSample(metainfo=dict(clip_id=f'c{i}', subset='ms3', num_frames=1, sample_idx=i, audio_path=None))
        Image.fromarray(np.full((4, 6, 3), 10 * i, np.uint8)).save(tmp_path / f'{i}.png')
        if i != 1:
            sample.set_metainfo(dict(audio_path=str(tmp_path / f'{i}.wav')))
            soundfile.write(tmp_path / f'{i}.wav', np.full((800, 2), [0.5, -0.5]), 8000)
        sample.frames = [SegDataSample(metainfo=dict(clip_id=f'c{i}', frame_idx=0, has_gt=False,
                                                     img_path=str(tmp_path / f'{i}.png')))]
        out.append(sample)
    log_mel = tuple(torch.full((1, 1, 96, 64), float(i)) for i in range(3))
    return out, dict(inputs=AVInputs(frames=(None,) * 3, log_mel=log_mel), data_samples=out)


def test_draws_stored_frames_with_file_or_log_mel(clips, tmp_path):
    runner, (samples, batch) = Runner(), clips
    AVSVisualizationHook(draw=True, show_dir=str(tmp_path / 'show')).after_test_iter(runner, 0, batch, samples)
    first, second, third = runner.visualizer.calls
    assert [call.frames[0][0, 0, 0] for call in (first, second, third)] == [0, 10, 20]
    assert first.sample_rate == 8000 and first.waveform.shape == (2, 800)
    assert (second.log_mel == 1).all() and not hasattr(second, 'waveform')
    assert third.out_file == str(tmp_path / 'show' / 'c2.png') and third.name == 'test/c2'
    assert not runner.iter_was_read


def test_validation_keeps_one_folder_per_iteration_and_the_interval(clips, tmp_path):
    runner, (samples, batch) = Runner(), clips
    AVSVisualizationHook(draw=True, interval=2, show_dir=str(tmp_path)).after_val_iter(runner, 0, batch, samples)
    assert [call.out_file for call in runner.visualizer.calls] == [str(tmp_path / 'val_30' / f'c{i}.png') for i in (0, 2)]
    assert runner.visualizer.calls[0].step == 30


def test_is_off_by_default(clips):
    runner, (samples, batch) = Runner(), clips
    hook = AVSVisualizationHook()
    hook.after_val_iter(runner, 0, batch, samples)
    hook.after_test_iter(runner, 0, batch, samples)
    assert runner.visualizer.calls == []


def test_a_missing_sound_file_is_named(clips, tmp_path):
    samples, batch = clips
    samples[0].set_metainfo(dict(audio_path=str(tmp_path / 'gone.wav')))
    with pytest.raises(FileNotFoundError, match=r'gone\.wav'):
        AVSVisualizationHook(draw=True).after_test_iter(Runner(), 0, batch, samples)


def test_interval_is_checked():
    with pytest.raises(ValueError, match='interval'):
        AVSVisualizationHook(interval=0)
