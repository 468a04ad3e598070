"""Sound of any rate in an mp4."""
import av
import numpy as np
import pytest

from mmicf.apis.video_file import write_video


@pytest.mark.parametrize('rate, kept', [(16000, 16000), (44100, 44100), (6000, 48000), (44056, 48000), (192000, 48000)])
def test_sound_of_rates_that_aac_lacks_is_resampled(tmp_path, rate, kept):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    pieces = (tone[None, first:first + rate // 3] for first in range(0, len(tone), rate // 3))
    write_video(tmp_path / 'out.mp4', np.zeros((4, 16, 16, 3), np.uint8), frame_rate=2, waveform=pieces, sample_rate=rate)
    with av.open(str(tmp_path / 'out.mp4')) as file:
        frames = list(file.decode(audio=0))
    heard = np.concatenate([frame.to_ndarray() for frame in frames], 1)[0]
    assert frames[0].sample_rate == kept and abs(len(heard) / kept - 2) < 0.1
    middle = heard[kept // 2:3 * kept // 2]
    assert np.fft.rfft(middle).__abs__().argmax() == pytest.approx(440, abs=1) and abs(middle.std() - 0.5 / np.sqrt(2)) < 0.05
