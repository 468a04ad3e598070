"""Broken frames and masks: a picture or class ids in range, or a named refusal."""
import io
import struct
import zlib

import numpy as np
import pytest
from broken_files import Watch, bounded, damaged, flipped, read_or_refuse
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmicf.apis.media import FolderMedia, MediaError
from mmicf.datasets.transforms.loading_frames import LoadFrames, load_mask, read_rgb
from mmicf.datasets.vpo import coco_lut

SIZE = (9, 14)  # (H, W)
NOISE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
IDS = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 3).astype(np.uint8)
BOMB = zlib.compress(bytes(3_000_000))
MASKS = {'binary': 2, 'index': 71, 'palette': 71, 'coco': 22}


def encode(array, suffix='PNG', mode=None):
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(file, suffix)
    return file.getvalue()


def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


@st.composite
def png_of_chunks(draw):
    """Chunks with right check sums and any content, in any order."""
    some, small = st.sampled_from, st.binary(max_size=12)
    side = some([0, 1, 9, 14, 60000, 2**31 - 1, 2**32 - 1])
    depth, colours = some([1, 2, 4, 8, 16, 3]), some([0, 2, 3, 4, 6, 5])
    header = struct.pack('>II', draw(side), draw(side)) + bytes([draw(depth), draw(colours), draw(some([0, 1])), draw(some([0, 1])),
                                                                draw(some([0, 1, 2]))])
    rows = zlib.compress(draw(st.binary(max_size=40)) * draw(some([1, 20])))
    pool = [chunk(b'IHDR', header), chunk(b'IDAT', rows), chunk(b'zTXt', b'a\0\0' + BOMB), chunk(b'IEND', b''),
            *(chunk(name, draw(small)) for name in (b'IDAT', b'PLTE', b'tRNS', b'iCCP', b'acTL'))]
    parts = [pool[0], *draw(st.lists(some(pool), max_size=4)), pool[1], pool[3]]
    return b'\x89PNG\r\n\x1a\n' + b''.join(draw(some([parts, parts[1:]])))


def check_rgb(picture):
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size


@pytest.mark.parametrize('suffix', ['PNG', 'JPEG', 'BMP'])
@bounded(50)
@given(data=st.data())
def test_damaged_frames(tmp_path, suffix, data):
    path = tmp_path / 'frame.png'
    path.write_bytes(data.draw(damaged(encode(NOISE, suffix))))
    picture = read_or_refuse(lambda p: read_rgb(str(p)), path)
    if picture is not None:
        check_rgb(picture)


@bounded(120)
@given(data=st.data())
def test_png_made_of_chunks(tmp_path, data):
    path = tmp_path / 'frame.png'
    path.write_bytes(data.draw(png_of_chunks()))
    picture = read_or_refuse(lambda p: read_rgb(str(p)), path)
    if picture is not None:
        check_rgb(picture)


@bounded(100)
@given(data=st.data())
def test_no_flipped_bit_changes_a_mask_unseen(tmp_path, data):
    """PNG has check sums: a mask is what was stored, or refused."""
    path = tmp_path / 'mask.png'
    path.write_bytes(data.draw(flipped(encode(IDS))))
    mask = read_or_refuse(lambda p: load_mask(str(p), 'index', 71, shape=SIZE), path)
    assert mask is None or np.array_equal(mask, IDS)


@pytest.mark.parametrize('mode', MASKS)
@bounded(50)
@given(data=st.data())
def test_damaged_masks(tmp_path, mode, data):
    """Of every PIL mode that a PNG can have."""
    path = tmp_path / 'mask.png'
    stored = data.draw(st.sampled_from(['1', 'L', 'P', 'RGB', 'RGBA', 'LA', 'I;16']))
    file = encode(IDS, mode=stored) if stored != 'I;16' else encode(IDS.astype(np.uint16))
    path.write_bytes(data.draw(st.one_of(damaged(file), png_of_chunks(), st.just(file))))
    lut = coco_lut() if mode == 'coco' else None
    mask = read_or_refuse(lambda p: load_mask(str(p), mode, MASKS[mode], lut, SIZE), path)
    if mask is not None:
        assert mask.dtype == np.uint8 and mask.shape == SIZE and ((mask < MASKS[mode]) | (mask == 255)).all()


@bounded(40)
@given(name=st.sampled_from(['\0.png', 'x' * 300, '', '.', 'folder', 'a\nb.png', 'missing.png']))
def test_names_that_are_no_picture(tmp_path, name):
    (tmp_path / 'folder').mkdir(exist_ok=True)
    results = dict(clip_id='c', num_frames=1, frame_paths=[f'{tmp_path}/{name}'])
    assert read_or_refuse(LoadFrames().transform, type('', (dict,), dict(name=tmp_path.name))(results)) is None


@pytest.mark.parametrize('content', [
    b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n', b'GIF89a' + bytes(40),
    b'P6 2 2 255\n' + bytes(12), b'II*\0' + bytes(60)])
def test_other_formats_under_a_png_name(tmp_path, content):
    """PIL would give an EPS file to Ghostscript."""
    (tmp_path / 'frame.png').write_bytes(content)
    with Watch() as watch, pytest.raises(ValueError, match=r'frame\.png: found no readable picture .*, expected PNG or JPEG'):
        read_rgb(str(tmp_path / 'frame.png'))
    assert not [event for event, _ in watch.seen if event not in ('import', 'exec')]  # PIL may import a plugin


@bounded(30)
@given(names=st.lists(st.text(st.characters(codec='utf-8', exclude_characters='/\0'), min_size=1, max_size=6),
                      min_size=1, max_size=4))
def test_folders_with_any_file_names(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp('frames')
    for name in names:
        (folder / f'{name}.png').write_bytes(encode(NOISE))
    media = FolderMedia(folder)
    assert media.size == SIZE and len(list(media.frames([0.]))) == 1 and media.sound_duration == 0


@bounded(30)
@given(data=st.data())
def test_folders_with_damaged_files(tmp_path, data):
    for i in range(2):
        (tmp_path / f'{i}.png').write_bytes(data.draw(st.one_of(damaged(encode(NOISE)), st.just(encode(NOISE)))))
    frames = read_or_refuse(lambda p: list(FolderMedia(p).frames([0., 1.])), tmp_path)
    assert frames is None or [frame.shape for frame in frames] == [frames[0].shape] * 2


def test_folder_without_pictures(tmp_path):
    with pytest.raises(MediaError, match='found no pictures'):
        FolderMedia(tmp_path)
