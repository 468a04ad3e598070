"""What inputs there are, what they are called, and what is refused."""
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmicf.apis.media import ArrayMedia, FolderMedia, MediaError
from mmicf.apis.open_media import check_names, input_name, open_media

FRAMES = np.zeros((3, 8, 10, 3), np.uint8)


def folder_of_pictures(folder):
    folder.mkdir()
    for i, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(folder / f'{i}.png')
    return folder


def test_the_sound_beside_a_folder_whose_name_holds_a_dot(tmp_path, monkeypatch):
    folder = folder_of_pictures(tmp_path / 'frames.v2')
    soundfile.write(tmp_path / 'frames.wav', np.zeros(100), 16000)
    assert open_media(folder).sound_duration == 0
    soundfile.write(tmp_path / 'frames.v2.wav', np.zeros(3 * 16000), 16000)
    assert open_media(f'{folder}/').sound_duration == 3
    monkeypatch.chdir(folder)
    assert isinstance(media := open_media('.'), FolderMedia) and media.sound_duration == 3
    assert input_name('.') == input_name(folder) == input_name(f'{folder}/') == 'frames.v2'


def test_names_of_results(tmp_path):
    assert input_name(tmp_path / 'clip.one.mp4') == 'clip.one'
    assert input_name(dict(frames=FRAMES)) == 'array' and input_name(dict(frames=FRAMES, name='../a.b')) == 'a.b'
    folder_of_pictures(tmp_path / 'clip')
    check_names(['a/clip.mp4', 'a/clip2.mp4', folder_of_pictures(tmp_path / 'clip.v2'), dict(frames=FRAMES)])
    for pair in (['a/clip.mp4', 'b/clip.mp4'], ['a/clip.mkv', f'{tmp_path}/clip'], [Path('clip.mp4'), dict(name='clip')]):
        with pytest.raises(ValueError, match=r'clip.* and .*clip.*the folder .clip.'):
            check_names(pair)


@pytest.mark.parametrize('name', ['', '.', '..', '/', '../..', 'clip/..'])
def test_names_that_lead_out_of_the_results(name):
    with pytest.raises(MediaError, match=rf"the array's name '{name}': found '\.{{0,2}}' for the folder of the results"):
        input_name(dict(frames=FRAMES, name=name))


@pytest.mark.parametrize('path', ['/', 'clips/...mp4', 'clips/..mp4'])
def test_files_whose_stem_leads_out_of_the_results(path):
    with pytest.raises(MediaError, match=rf"{path}: found '\.{{0,2}}' for the folder of the results"):
        input_name(path)


@pytest.mark.parametrize('given, found', [(FRAMES, r'ndarray of shape \(3, 8, 10, 3\)'), (None, 'NoneType'), (0, 'int'),
                                          (b'clip.mp4', 'bytes'), (('clip.mp4',), 'tuple')])
def test_neither_a_path_nor_a_dict(given, found):
    for refuse in (open_media, input_name, lambda source: check_names([source])):
        with pytest.raises(MediaError, match=f'found an input of type {found}, expected the path of .*dict\\(frames=, waveform=, '):
            refuse(given)


@pytest.mark.parametrize('given, found', [
    (dict(frame=FRAMES), r"array: found the keys \['frame'\], expected frames"),
    (dict(frames=FRAMES, sound=None), r"the keys \['frames', 'sound'\]"),
    (dict(frames=FRAMES, fps=0), 'array: found 0 pictures and 16000 samples per second'),
    (dict(frames=FRAMES, sample_rate=-1, name='mine'), 'mine: found 1.0 pictures and -1 samples per second'),
])
def test_arrays_that_are_refused(given, found):
    with pytest.raises(MediaError, match=found):
        open_media(given)


def test_options_that_do_not_fit_the_input(tmp_path):
    folder = folder_of_pictures(tmp_path / 'clip')
    assert isinstance(media := open_media(dict(frames=FRAMES, fps=2)), ArrayMedia) and media.duration == 1.5
    for options in (dict(audio='a.wav'), dict(fps=2.)):
        with pytest.raises(ValueError, match='arrays bring their sound and fps'):
            open_media(dict(frames=FRAMES), **options)
    for fps in (0., -1.):
        with pytest.raises(ValueError, match=rf'clip: found {fps} pictures per second'):
            open_media(folder, fps=fps)
    assert open_media(folder, fps=0.5).duration == 6


def test_photos_stored_on_their_side_are_seen_upright(tmp_path):
    upright = np.zeros((16, 8, 3), np.uint8)
    upright[:8, :4] = 250
    folder = tmp_path / 'photos'
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it
    Image.fromarray(np.rot90(upright)).save(folder / '1.png', exif=exif)
    Image.fromarray(upright).save(folder / '2.png')
    media = FolderMedia(folder)
    assert media.size == (16, 8) and all(np.array_equal(frame, upright) for frame in media.frames([0, 1]))


def test_pictures_of_a_folder_by_its_frame_rate(tmp_path):
    folder = tmp_path / 'clip'
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 10, 3), i, np.uint8)).save(folder / f'{i}.png')
    for fps, times in ((1., [0, 1, 2.9]), (0.5, [1.9, 2, 5.9]), (4., [0.2, 0.25, 0.7])):
        assert [frame.max() for frame in open_media(folder, fps=fps).frames(times)] == [0, 1, 2]


def test_what_macos_leaves_beside_files_is_not_read(tmp_path):
    folder = folder_of_pictures(tmp_path / 'clip')
    soundfile.write(folder / 'sound.wav', np.zeros(16000), 16000)
    for name in ('._0.png', '._sound.wav'):
        (folder / name).write_bytes(b'Mac OS X')
    media = open_media(folder)
    assert media.duration == len(list(media.frames([0, 1, 2]))) == 3 and media.sound_duration == 1
