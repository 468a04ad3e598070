"""The overlay of a video: every picture at its own time, under the mask nearest to it, with the sound where it was.

And what becomes of the results of an earlier run.
"""
import av
import numpy as np
import pytest
import soundfile
from test_video_media import RATE, click, clicks, write

from mmicf.apis.av_inferencer import FramePrediction
from mmicf.apis.media import ArrayMedia, FolderMedia, MediaError
from mmicf.apis.result_writer import FILES, KINDS, ResultWriter
from mmicf.apis.video_media import VideoMedia
from mmicf.utils.clip_time import mask_name

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


def write_arrays(folder, *, save=KINDS, count=2, size=(16, 32)):
    """A run on an array of so many pictures."""
    source = dict(frames=np.zeros((count, *size, 3), np.uint8), name='mine')
    labels, score = np.ones(size, np.uint8), np.ones(size, np.float32)
    writer = ResultWriter(folder, ArrayMedia(**source), source, METAINFO, save, 1)
    return writer.write(FramePrediction(k + 0.9375, labels, score) for k in range(count))


def found_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


@pytest.mark.parametrize('save', [KINDS, *[[kind] for kind in KINDS]])
def test_a_folder_holds_the_results_of_one_run(tmp_path, save):
    write_arrays(tmp_path / 'old', count=20)
    write_arrays(tmp_path / 'old', save=save)
    write_arrays(tmp_path / 'new', save=save)
    assert found_in(tmp_path / 'old') == found_in(tmp_path / 'new')
    assert sorted(path.name for path in (tmp_path / 'old').iterdir()) == sorted(FILES[kind] for kind in save)


def test_long_inputs_leave_no_masks_behind(tmp_path):
    (tmp_path / 'masks').mkdir()
    (tmp_path / 'masks' / mask_name(123456.9375)).write_bytes(b'')
    write_arrays(tmp_path, save=['masks'])
    assert found_in(tmp_path) == ['masks/00000.9375.png', 'masks/00001.9375.png']


def test_files_of_others_stay(tmp_path):
    others = sorted(['notes.txt', 'overlay.avi', 'masks.json', '00000.9375.png', 'masks/1.png', 'masks/00000.9375.jpg',
                     'masks/00000.9375.png.png', 'masks/mine/00000.9375.png', 'clip2/masks/00000.9375.png'])
    write_arrays(tmp_path)
    for name in others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('mine')
    write_arrays(tmp_path, save=['rle'])
    assert found_in(tmp_path) == sorted([*others, 'masks.jsonl'])
    assert all((tmp_path / name).read_text() == 'mine' for name in others)


@pytest.mark.parametrize('save', [['video'], ['rle']])
def test_results_do_not_replace_their_input(tmp_path, save):
    """A video, its sound, or a folder of pictures that lies where results go."""
    write_arrays(tmp_path)
    write(tmp_path / 'in.mkv', pictures=np.arange(10) / 10, packets=[(0, click(1, 0.5))])
    (tmp_path / 'overlay.mp4').write_bytes((tmp_path / 'in.mkv').read_bytes())
    before = {path: (tmp_path / path).read_bytes() for path in found_in(tmp_path)}
    (tmp_path / 'link').symlink_to(tmp_path / 'masks')
    video, masks = str(tmp_path / 'overlay.mp4'), tmp_path / 'masks'
    for media, replaced in ((VideoMedia(video), video), (VideoMedia(tmp_path / 'in.mkv', video), video),
                            (FolderMedia(masks), masks), (FolderMedia(tmp_path / 'link'), masks),
                            (FolderMedia(masks, video), video)):
        with pytest.raises(MediaError, match=rf'{media.name}: found {replaced} among what is read'):
            ResultWriter(tmp_path, media, media.name, METAINFO, save, 1)
        media.close()
    assert {path: (tmp_path / path).read_bytes() for path in before} == before


@pytest.mark.parametrize('size', [(1, 32), (16, 1)])
def test_pictures_that_are_too_small_for_a_video(tmp_path, size):
    with pytest.raises(MediaError, match=f'mine: found pictures of {size[0]} rows and {size[1]} columns, expected 2 or more'):
        write_arrays(tmp_path / 'out', size=size)
    assert not (tmp_path / 'out').exists()
    assert write_arrays(tmp_path / 'out', size=size, save=['masks'])[1] == 2
    assert len(write_arrays(tmp_path / 'odd', size=(3, 3))[0]) == 4
