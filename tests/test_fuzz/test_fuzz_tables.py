"""Broken csv and json files: the datasets they describe, or a named refusal."""
import csv
import io
import json
import os
from functools import partial
from pathlib import Path

import pytest
from broken_files import bounded, damaged, read_or_refuse
from hypothesis import given
from hypothesis import strategies as st

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset, VPODataset
from mmicf.datasets.avsbench import check_label_file
from mmicf.datasets.csv_table import read_table
from mmicf.datasets.offscreen import set_categories
from mmicf.datasets.synthetic_layouts import SPLITS, ClipJob, write_clip, write_tables
from mmicf.datasets.transforms.loading_anchors import LoadAnchors
from mmicf.utils.class_names import AVSS_CLASSES

TABLE = 'video_id,split,note\nx_0,train,"a, b"\n\ny,val,""\nz_0,test,ü\n'.encode()
DATASETS = {
    's4': ('Single-source', 's4_meta_data.csv', AVSBenchS4Dataset),
    'ms3': ('Multi-sources', 'ms3_meta_data.csv', AVSBenchMS3Dataset),
    'avss': ('AVSS', 'metadata.csv', AVSBenchSemanticDataset),
    'vpo': ('VPO', 'VPO-MSMI/vpo_msmi_data_stereo.csv', partial(VPODataset, subset='msmi', channels='stereo')),
}
NASTY = ['', '.', '..', '../x', '/etc', 'a/b', '\0', 'x' * 300, '²', '٣', '1' * 5000, '-1', '1e999', 'nan', '0.5', 'None', 'dog_',
         '_', '"', 'a\nb', 'test', 'val', 'v2', '1', '0']


@pytest.fixture(scope='module')
def trees(tmp_path_factory):
    """Three clips per split in each layout."""
    out = tmp_path_factory.mktemp('trees')
    for subset in DATASETS:
        write_tables(str(out), subset, [row for split in SPLITS for i in range(3)
                                        for row in write_clip(ClipJob(str(out), subset, split, i, 0, 32))])
    return out


def plain(data, columns):
    """What csv itself makes of the file."""
    reader = csv.reader(io.StringIO(data.decode('utf-8-sig'), newline=''))
    lines = [[field.strip() for field in line] for line in reader if line]
    return lines[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@bounded(150)
@given(data=st.data())
def test_damaged_tables(tmp_path, data):
    path, content = tmp_path / 'table.csv', data.draw(damaged(TABLE))
    path.write_bytes(content)
    table = read_or_refuse(lambda p: read_table(p, ('split',)), path)
    if table is not None:
        assert (table.header, table.rows) == plain(content, ('split',))


@bounded(60)
@given(rows=st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path, rows):
    path, file = tmp_path / 'table.csv', io.StringIO(newline='')
    csv.writer(file).writerows([('a', 'split'), *rows])
    path.write_bytes(file.getvalue().encode('utf-8', 'replace'))
    table = read_or_refuse(lambda p: read_table(p, ('a', 'split')), path)
    if any('\0' in field for row in rows for field in row):
        assert table is None
    else:
        sent = [[field.encode('utf-8', 'replace').decode().strip() for field in row] for row in rows]
        assert [list(row.values()) for row in table.rows] == sent


@pytest.mark.parametrize('data, message', [
    (b'uid,split\n\xff\xfe,train\n', 'cannot be read'), (b'uid,split\na\0b,train\n', 'NUL'), (b'', "'split' is missing"),
    (b'split,split\na,b\n', "'split' is there twice"), (b'uid,split\n"' + b'x' * 200000 + b'",train\n', 'field larger than')])
def test_faults_of_tables_are_named(tmp_path, data, message):
    (tmp_path / 'table.csv').write_bytes(data)
    with pytest.raises(ValueError, match=r'table\.csv.*' + message):
        read_table(tmp_path / 'table.csv', ('split',))


@pytest.mark.parametrize('subset', DATASETS)
@bounded(60)
@given(data=st.data())
def test_nasty_fields_in_real_layouts(trees, subset, data):
    """A dataset that is built has every file, below its own root; else the table or the clip is named."""
    folder, name, build = DATASETS[subset]
    path = trees / folder / name
    original = path.read_bytes()
    rows = list(csv.reader(io.StringIO(original.decode(), newline='')))
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.sampled_from(rows))
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(st.sampled_from(NASTY))
    file = io.StringIO(newline='')
    csv.writer(file, lineterminator='\n').writerows(rows)
    try:
        path.write_bytes(file.getvalue().encode())
        dataset = read_or_refuse(lambda _: build(data_root=str(trees / folder), split='test', serialize_data=False), trees / folder)
    finally:
        path.write_bytes(original)
    for info in () if dataset is None else map(dataset.get_data_info, range(len(dataset))):
        files = [*info['frame_paths'], *filter(None, info['mask_paths']), *(source['path'] for source in info['audio'])]
        assert all(Path(f).is_file() and os.path.realpath(f).startswith(os.path.realpath(trees)) for f in files)
        assert '..' not in Path(info['clip_id']).parts and not Path(info['clip_id']).is_absolute()


def test_a_category_of_no_class_is_refused(trees):
    """Also when its id is the word that Python prints for "none"."""
    path = trees / 'VPO/VPO-MSMI/vpo_msmi_data_stereo.csv'
    original = path.read_text()
    lines = [line.split(',') for line in original.splitlines()]
    for line in lines[1:]:
        line[2:4] = 'unicorn', 'None'
    try:
        path.write_text('\n'.join(','.join(line) for line in lines) + '\n')
        with pytest.raises(ValueError, match=r"stereo\.csv: found cateName 'unicorn' with cateId None"):
            DATASETS['vpo'][2](data_root=str(trees / 'VPO'), split='test')
    finally:
        path.write_text(original)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)
LABELS = json.dumps({name: i for i, name in enumerate(AVSS_CLASSES)}).encode()
CATEGORIES = json.dumps({'c0': ['dog'], 'c1': {'in_view': ['cat', 'dog'], 'sounds': ['cat']}}).encode()


def json_bytes(valid, entry):
    """Damaged files, any json, and the right keys with any values."""
    return st.one_of(damaged(valid), JSON.map(lambda v: json.dumps(v).encode()), entry.map(lambda v: json.dumps(v).encode()),
                     st.just(b'[' * 100_000), st.just(b'{"a":' * 100_000))


@bounded(80)
@given(data=st.data())
def test_label_files(tmp_path, data):
    path = tmp_path / 'label2idx.json'
    content = data.draw(json_bytes(LABELS, JSON.map(lambda v: dict.fromkeys(AVSS_CLASSES, v))))
    path.write_bytes(content)
    if read_or_refuse(lambda p: check_label_file(str(p)) or True, path):
        assert {k: int(v) for k, v in json.loads(content).items()} == json.loads(LABELS)


@bounded(80)
@given(data=st.data())
def test_category_files(tmp_path, data):
    path, clips = tmp_path / 'categories.json', [dict(clip_id='c0'), dict(clip_id='c1')]
    entry = JSON | st.fixed_dictionaries(dict(in_view=JSON, sounds=JSON))
    path.write_bytes(data.draw(json_bytes(CATEGORIES, entry.map(lambda v: {'c0': ['dog'], 'c1': v}))))
    if read_or_refuse(lambda p: set_categories(clips, str(p)) or True, path):
        assert all(isinstance(clip['category'], str) and isinstance(clip['sounds'], list) for clip in clips)
        assert all(isinstance(name, str) for clip in clips for name in clip['sounds'])


@bounded(60)
@given(data=st.data())
def test_settings_of_anchors(tmp_path, data):
    path = tmp_path / 'settings.json'
    content = data.draw(json_bytes(b'{"clap": "one.pt", "clip": null}', JSON.map(lambda v: {'clap': v})))
    path.write_bytes(content)
    if read_or_refuse(lambda _: LoadAnchors(anchor_dir=str(tmp_path), settings=dict(clap='one.pt')), path):
        assert json.loads(content)['clap'] == 'one.pt'
