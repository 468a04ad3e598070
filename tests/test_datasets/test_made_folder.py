"""Folders that tools make are used again only by the settings that made them."""
import pytest

from mmicf.datasets.made_folder import is_made, mark


@pytest.mark.parametrize('marker', ['settings.json', 'deep/made.json'])
def test_a_folder_belongs_to_its_settings(tmp_path, marker):
    folder, settings = tmp_path / 'out', dict(size=48, name='a')
    assert not is_made(folder, settings, marker=marker) and not folder.exists()
    folder.mkdir()
    assert not is_made(folder, settings, marker=marker)
    (folder / 'clip').mkdir()
    with pytest.raises(FileExistsError, match=rf'out: found a folder that is not empty and has no {marker}, expected nothing'):
        is_made(folder, settings, marker=marker)
    mark(folder, settings, marker=marker)
    assert (folder / marker).is_file() and is_made(folder, settings, marker=marker)
    with pytest.raises(FileExistsError, match=rf"{marker}: found {{'size': 48, 'name': 'a'}}, expected {{'size': 32}}; choose"):
        is_made(folder, dict(size=32), marker=marker)


def test_files_in_the_way_are_named(tmp_path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(FileExistsError, match='out: found a file, expected nothing'):
        is_made(tmp_path / 'out', dict(size=48))
    (tmp_path / 'settings.json').write_text('{')
    with pytest.raises(ValueError, match=r"settings\.json: found no readable json .*; expected {'size': 48}"):
        is_made(tmp_path, dict(size=48))
