"""Reading json files that people edit or download."""
import json
from pathlib import Path


def read_json_object(path: str | Path, *, expected: str) -> dict:
    """The object of a json file.

    Args:
        path: the file.
        expected: what it should hold, for error messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no UTF-8 (a byte order mark may be there), no json, nested too deeply, or another json value than an object.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; expected {expected}')
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except (ValueError, RecursionError) as error:  # json's own error is a ValueError
        raise ValueError(f'{path}: found no readable json ({error}); expected {expected}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path}: found a json {type(content).__name__}; expected {expected}')
    return content
