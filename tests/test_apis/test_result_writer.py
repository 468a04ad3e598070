"""The overlay of a video: every picture at its own time, under the mask nearest to it, with the sound where it was."""
import av
import numpy as np
import pytest
import soundfile
from test_video_media import RATE, click, clicks, write

from mmicf.apis.av_inferencer import FramePrediction
from mmicf.apis.result_writer import ResultWriter
from mmicf.apis.video_media import VideoMedia

METAINFO = dict(classes=['background', 'sounding'], palette=[[0, 0, 0], [255, 0, 0]])
BLANK, FULL = np.zeros((16, 32), np.uint8), np.ones((16, 32), np.uint8)


def overlay(folder, predictions, audio=None):
    """Times of the overlay's pictures, and how coloured each is; the video's own are grey."""
    media = VideoMedia(folder / 'in.mkv', audio)
    writer = ResultWriter(folder, media, str(folder / 'in.mkv'), METAINFO, ['video'], 1)
    writer.write(FramePrediction(time, labels, None) for time, labels in predictions)
    media.close()
    with av.open(str(folder / 'overlay.mp4')) as file:
        frames = [(frame.time, frame.to_ndarray(format='rgb24').astype(float)) for frame in file.decode(video=0)]
    return [time for time, _ in frames], [np.ptp(picture.mean((0, 1))) for _, picture in frames]


def test_pictures_at_uneven_times_keep_them(tmp_path):
    """As phones and screen recorders write them: far apart on average, close together at times."""
    times = [0, 0.01, 0.02, 0.5, 0.51, 2, 2.01, 2.02, 4.3]
    write(tmp_path / 'in.mkv', pictures=times, packets=[(0, click(4, 1))])
    assert overlay(tmp_path, [(0.9375, BLANK), (1.9375, BLANK)])[0] == pytest.approx(times, abs=1.1e-3)


def test_each_picture_has_the_mask_nearest_in_time(tmp_path):
    write(tmp_path / 'in.mkv', pictures=np.arange(30) / 10, packets=[(0, click(3, 1))])
    times, colour = overlay(tmp_path, [(0.9375, BLANK), (1.9375, FULL), (2.4375, BLANK)])
    painted = [time for time, value in zip(times, colour, strict=True) if value > 20]
    assert painted == pytest.approx(np.arange(15, 22) / 10, abs=2e-3)  # from 1.4375 to 2.1875 s


def test_another_sound_begins_with_the_first_picture(tmp_path):
    write(tmp_path / 'in.mkv', pictures=1.5 + np.arange(30) / 10, packets=[(0, click(3, 1))])
    soundfile.write(tmp_path / 'other.wav', click(3, 2), RATE)
    overlay(tmp_path, [(0.9375, BLANK)], tmp_path / 'other.wav')
    again = VideoMedia(tmp_path / 'overlay.mp4')
    assert clicks(again, 3)[0] == pytest.approx(2, abs=0.1)
