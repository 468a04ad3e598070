"""Reading numpy's files without unpickling."""
from pathlib import Path

import numpy as np


def read_npy(path: str | Path) -> np.ndarray:
    """The array of a ``.npy`` file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is broken, another kind of file, or holds Python objects; names the file.
    """
    with open(path, 'rb') as file:
        try:
            return np.lib.format.read_array(file, allow_pickle=False)
        except Exception as error:  # a broken header raises nearly any exception type
            raise ValueError(f'{path}: not a readable .npy array ({type(error).__name__}: {error})') from error


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file; raises as :func:`read_npy`."""
    with open(path, 'rb') as file:
        try:
            with np.load(file, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
        except Exception as error:  # zip, zlib and numpy raise nearly any exception type for a broken file
            raise ValueError(f'{path}: not a readable .npz file ({type(error).__name__}: {error})') from error
    other = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]  # numpy gives these as bytes
    if other:
        raise ValueError(f'{path}: found {other} that are no .npy arrays, expected arrays only')
    return arrays
