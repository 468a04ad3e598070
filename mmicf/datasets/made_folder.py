"""Folders that a tool makes from a data set, marked with the settings that they were made with."""
import json
from pathlib import Path

from mmicf.utils.json_file import read_json_object

MARKER = 'settings.json'


def is_made(folder: Path, settings: dict, *, marker: str = MARKER) -> bool:
    """Whether a folder is marked as made with these settings; False if there is none yet, or an empty one.

    Args:
        folder: what the tool writes.
        settings: numbers and strings by name.
        marker: json file within the folder, which :func:`mark` writes.

    Raises:
        FileExistsError: it holds something else, or what other settings made.
        ValueError: the marker is no json object.
    """
    path = folder / marker
    if path.is_file():
        found = read_json_object(path, expected=f'{settings}')
        if found != settings:
            raise FileExistsError(f'{path}: found {found}, expected {settings}; choose another folder or delete this one')
        return True
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = f'a folder that is not empty and has no {marker}' if folder.is_dir() else 'a file'
        raise FileExistsError(f'{folder}: found {found}, expected nothing, or what was made with {settings}; choose another folder '
                              'or delete this one')
    return False


def mark(folder: Path, settings: dict, *, marker: str = MARKER) -> None:
    """Writes the marker of :func:`is_made`; the folder is made where it is missing."""
    path = folder / marker
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=1) + '\n', encoding='utf-8')
