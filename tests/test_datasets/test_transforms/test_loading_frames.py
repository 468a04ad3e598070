"""Reading pictures and masks of every PIL mode, and naming what is wrong with a file."""
import numpy as np
import pytest
from PIL import Image

from mmicf.datasets.transforms import LoadFrames, LoadMasks
from mmicf.datasets.transforms.loading_frames import read_rgb
from mmicf.utils.class_names import avss_palette

FOREGROUND = np.zeros((6, 8), dtype=bool)
FOREGROUND[1:4, 2:7] = True


def load(paths, mode, *, num_classes=2, shape=(6, 8), has_gt=None, lut=None):
    results = dict(clip_id='c', num_frames=len(paths), mask_paths=[str(p) for p in paths], mask_mode=mode,
                   num_classes=num_classes, mask_lut=lut, has_gt=has_gt or [True] * len(paths), ori_shape=shape)
    return LoadMasks()(results)['masks']


def save(path, array, mode=None):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


def binary_pictures():
    grey = FOREGROUND.astype(np.uint8)
    faint = np.zeros((6, 8, 3), dtype=np.uint8)
    faint[..., 2] = grey * 3  # any colour counts
    opaque = np.dstack([faint, np.full((6, 8), 255, np.uint8)])  # alpha does not
    indexed = Image.fromarray(grey * 255).convert('P')
    black = Image.fromarray(grey * 7)
    black.putpalette([0] * 768)  # an index whose colour is black still counts
    black = black.copy()
    return {'1': Image.fromarray(grey * 255).convert('1'), 'L': Image.fromarray(grey * 255),
            'L1': Image.fromarray(grey), 'P': indexed, 'P black': black, 'RGB': Image.fromarray(faint),
            'RGBA': Image.fromarray(opaque)}


@pytest.mark.parametrize('name', ['1', 'L', 'L1', 'P', 'P black', 'RGB', 'RGBA'])
def test_binary_masks_of_every_mode(tmp_path, name):
    image = binary_pictures()[name]
    image.save(tmp_path / 'm.png')
    with Image.open(tmp_path / 'm.png') as stored:
        assert stored.mode == name.split()[0].rstrip('1') or name == '1'
    (mask,) = load([tmp_path / 'm.png'], 'binary')
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, FOREGROUND)


def test_only_labelled_frames_are_read(tmp_path):
    path = save(tmp_path / 'm.png', FOREGROUND.astype(np.uint8))
    masks = load([path, tmp_path / 'none.png'], 'binary', has_gt=[True, False])
    assert masks[1] is None and masks[0].sum() == 15


@pytest.mark.parametrize('mode', ['L', 'P', 'I;16'])
def test_index_masks(tmp_path, mode):
    ids = np.where(FOREGROUND, 70, 0).astype(np.uint8)
    ids[0, 0] = 255
    if mode == 'P':
        image = Image.fromarray(ids)
        image.putpalette(avss_palette().flatten().tolist() + [0] * (768 - 213))
        image.save(tmp_path / 'm.png')
    else:
        save(tmp_path / 'm.png', ids.astype(np.uint16) if mode == 'I;16' else ids)
    with Image.open(tmp_path / 'm.png') as stored:
        assert stored.mode == mode
    (mask,) = load([tmp_path / 'm.png'], 'index', num_classes=71)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, ids)


@pytest.mark.parametrize('value, dtype', [(71, np.uint8), (254, np.uint8), (300, np.uint16)])
def test_index_out_of_range_is_named(tmp_path, value, dtype):
    ids = np.where(FOREGROUND, value, 3).astype(dtype)
    path = save(tmp_path / 'm.png', ids)
    with pytest.raises(ValueError, match=rf'{path}: found the values \[{value}\] in 15 pixels, expected 0..70 or 255'):
        load([path], 'index', num_classes=71)


def test_palette_masks(tmp_path):
    ids = np.arange(48, dtype=np.uint8).reshape(6, 8) + 23
    colours = avss_palette()[ids]
    for mode in ('RGB', 'RGBA'):
        (mask,) = load([save(tmp_path / f'{mode}.png', colours, mode)], 'palette', num_classes=71)
        np.testing.assert_array_equal(mask, ids)
    colours[2, 3] = colours[5, 5] = (1, 2, 3)
    path = save(tmp_path / 'bad.png', colours)
    with pytest.raises(ValueError, match=rf'{path}: found 1 colours .* 71 classes .*: \(1, 2, 3\) in 2 pixels'):
        load([path], 'palette', num_classes=71)


def test_a_colour_of_a_class_beyond_the_task_is_unknown(tmp_path):
    path = save(tmp_path / 'm.png', np.full((6, 8, 3), avss_palette()[30], dtype=np.uint8))
    with pytest.raises(ValueError, match='palette of 22 classes does not hold'):
        load([path], 'palette', num_classes=22)


def test_lookup_table(tmp_path):
    lut = np.full(256, 254, dtype=np.uint8)
    lut[[0, 3, 5, 255]] = [0, 2, 1, 255]
    raw = np.array([[0, 3, 5, 255]], dtype=np.uint8)
    (mask,) = load([save(tmp_path / 'm.png', raw)], 'coco', num_classes=3, shape=(1, 4), lut=lut)
    assert mask.tolist() == [[0, 2, 1, 255]]
    path = save(tmp_path / 'bad.png', raw + np.array([[0, 0, 1, 0]], dtype=np.uint8))
    with pytest.raises(ValueError, match=rf'{path}: found the values \[6\] in 1 pixels, expected \[0, 3, 5\] or 255'):
        load([path], 'coco', num_classes=3, shape=(1, 4), lut=lut)


@pytest.mark.parametrize('mode, mask_mode, message', [
    ('RGB', 'index', 'found a picture of PIL mode RGB, expected one channel of class ids'),
    ('LA', 'binary', 'found a picture of PIL mode LA, expected 1, L, P, RGB or RGBA'),
    ('L', 'colour', "mask_mode must be 'binary', 'index', 'palette' or 'coco', got 'colour'")])
def test_wrong_mode_is_named(tmp_path, mode, mask_mode, message):
    path = save(tmp_path / 'm.png', FOREGROUND.astype(np.uint8), mode)
    with pytest.raises(ValueError, match=f'{path}: {message}'):
        load([path], mask_mode)


def test_mask_of_another_size_is_named(tmp_path):
    path = save(tmp_path / 'm.png', FOREGROUND.astype(np.uint8))
    with pytest.raises(ValueError, match=rf'{path}: found a mask of 6x8, expected 12x16 like the frames of clip c'):
        load([path], 'binary', shape=(12, 16))


def frames(paths):
    return LoadFrames()(dict(clip_id='c', num_frames=len(paths), frame_paths=[str(p) for p in paths]))


def test_frames_of_every_mode_become_rgb(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    paths = [save(tmp_path / f'{mode}.png', colour, mode) for mode in ('RGB', 'RGBA', 'L')]
    flat = np.full((6, 8, 3), (200, 30, 90), dtype=np.uint8)
    Image.fromarray(flat).save(tmp_path / 'j.jpg', quality=95)
    out = frames([*paths, tmp_path / 'j.jpg'])
    assert all(f.shape == (6, 8, 3) and f.dtype == np.uint8 for f in out['frames'])
    np.testing.assert_array_equal(out['frames'][0], colour)
    np.testing.assert_array_equal(out['frames'][1], colour)
    assert (out['frames'][2][..., 0] == out['frames'][2][..., 2]).all()
    assert abs(out['frames'][3].astype(int) - flat).max() < 6  # channel order: red first
    assert out['ori_shape'] == out['img_shape'] == (6, 8)


def test_more_than_8_bits_are_refused(tmp_path):
    path = tmp_path / 'deep.png'
    Image.fromarray(np.array([[0, 4000]], np.uint16)).save(path)
    with pytest.raises(ValueError, match=rf'{path}: found a picture of more than 8 bits per channel \(PIL mode I;16\)'):
        frames([path])


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_pictures_with_broken_exif_are_read(tmp_path, suffix):
    """As they are stored where the orientation cannot be read; turned where what follows it is broken."""
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0  # turn clockwise to see it; pixels per inch
    good = exif.tobytes()
    resolution = good.replace(b'\x01\x1a\x00\x05', b'\x01\x1a\x00\x07')  # bytes in place of a fraction
    assert resolution != good
    for content, size in ((good, (8, 6)), (b'Exif\0\0garbage garbage', (6, 8)), (resolution, (8, 6))):
        path = tmp_path / f'photo.{suffix}'
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(path, exif=content)
        assert read_rgb(str(path), upright=True).shape == (*size, 3) and read_rgb(str(path)).shape == (6, 8, 3)


def test_frames_of_two_sizes_and_of_another_number(tmp_path):
    a = save(tmp_path / 'a.png', np.zeros((6, 8, 3), np.uint8))
    b = save(tmp_path / 'b.png', np.zeros((6, 9, 3), np.uint8))
    with pytest.raises(ValueError, match=rf'{b}: found 6x9, expected 6x8 like the first frame {a}'):
        frames([a, b])
    with pytest.raises(ValueError, match='clip c: found 1 frame paths, expected 2'):
        LoadFrames()(dict(clip_id='c', num_frames=2, frame_paths=[str(a)]))


def test_missing_cut_off_and_foreign_files_are_named(tmp_path):
    whole = save(tmp_path / 'whole.png', np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8))
    cut, text = tmp_path / 'cut.png', tmp_path / 'text.png'
    cut.write_bytes(whole.read_bytes()[:6000])
    text.write_text('not a picture')
    with pytest.raises(FileNotFoundError, match=rf'{tmp_path}/none.png: no such picture'):
        frames([tmp_path / 'none.png'])
    with pytest.raises(ValueError, match=rf'{cut}: the picture cannot be decoded, is it cut off'):
        frames([cut])
    with pytest.raises(ValueError, match=rf'{text}: found no readable picture'):
        frames([text])
    with pytest.raises(FileNotFoundError, match=rf'{tmp_path}/none.png: no such picture'):
        load([tmp_path / 'none.png'], 'binary')
    with pytest.raises(ValueError, match=rf'{cut}: the picture cannot be decoded'):
        load([cut], 'binary', shape=(60, 80))


def test_masks_need_the_frames_first(tmp_path):
    with pytest.raises(ValueError, match='clip c: LoadMasks must come after LoadFrames'):
        LoadMasks()(dict(clip_id='c', mask_paths=[], has_gt=[]))
