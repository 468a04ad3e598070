"""Json files as editors leave them."""
import pytest

from mmicf.utils.json_file import read_json_object


def test_a_byte_order_mark_is_no_content(tmp_path):
    path = tmp_path / 'names.json'
    path.write_bytes(b'\xef\xbb\xbf{"dog": 1}')
    assert read_json_object(path, expected='names') == {'dog': 1}


@pytest.mark.parametrize('content, found', [
    (b'\xff\xfe{\x00}\x00', 'found no readable json'), (b'[1]', 'found a json list'), (b'[' * 100_000, 'found no readable json')])
def test_what_is_no_object_is_named(tmp_path, content, found):
    (tmp_path / 'names.json').write_bytes(content)
    with pytest.raises(ValueError, match=rf'names\.json: {found}.*; expected names'):
        read_json_object(tmp_path / 'names.json', expected='names')
