"""Cached embeddings of frozen image and audio towers."""
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from mmicf.registry import TRANSFORMS
from mmicf.utils.array_file import read_npz
from mmicf.utils.json_file import read_json_object

ANCHORS = ('image_anchor', 'audio_anchor')


@TRANSFORMS.register_module()
class LoadAnchors(BaseTransform):
    """Read ``image_anchor`` and ``audio_anchor``, float32 (T, d), as ``tools/dataset_converters/cache_anchors.py`` wrote them.

    They belong to the clip as it is stored: augmentation does not change them, and where ``NegativeAudio`` or
    ``shuffle_audio`` puts another sound to the clip, the audio anchor is still that of its own.

    Args:
        anchor_dir: folder with ``{clip_id}.npz`` and ``settings.json``.
        settings: entries that ``settings.json`` must have, such as ``dict(clap='630k-audioset-best.pt')``: embeddings of another
            tower have the same shape. None: not checked.

    Raises:
        FileNotFoundError: a clip has no file, or the settings to check are not there.
        ValueError: other settings, a file with other arrays, another number of frames, or numbers that are not finite.
    """

    def __init__(self, *, anchor_dir: str, settings: dict | None = None) -> None:
        self.anchor_dir = anchor_dir
        if settings is not None:
            path = Path(anchor_dir) / 'settings.json'
            if not path.is_file():
                raise FileNotFoundError(f'{path}: no settings; tools/dataset_converters/cache_anchors.py writes them')
            found = read_json_object(path, expected='the settings of the towers')
            other = {key: found.get(key) for key, value in settings.items() if found.get(key) != value}
            if other:
                raise ValueError(f'{path}: found {other}, expected {dict(settings)}')

    def transform(self, results: dict) -> dict:
        path = Path(self.anchor_dir) / f'{results["clip_id"]}.npz'
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no cached anchors; tools/dataset_converters/cache_anchors.py makes them')
        arrays = read_npz(path)
        if not arrays or set(arrays) - set(ANCHORS):
            raise ValueError(f'{path}: found arrays {sorted(arrays)}, expected some of {list(ANCHORS)}')
        for name, array in arrays.items():
            if array.ndim != 2 or len(array) != results['num_frames'] or array.dtype.kind != 'f':
                raise ValueError(f'{path}: {name} is {array.dtype} {array.shape}, expected floats ({results["num_frames"]}, d), '
                                 'one row per frame')
            if not np.isfinite(array).all():
                raise ValueError(f'{path}: {name} holds numbers that are not finite')
            results[name] = array.astype(np.float32)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(anchor_dir={self.anchor_dir!r})'
