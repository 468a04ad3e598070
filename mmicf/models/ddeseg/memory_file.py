"""Files of DDESeg's semantic memory: our own, and the bank that DDESeg published."""
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from mmicf.utils.class_names import AVSS_CLASSES

from ..audio_backbones.htsat import FRONT_ENDS

TOOL = 'tools/dataset_converters/build_semantic_memory.py'
BANK = '1s_k5_feabank.npy (Hugging Face, Yenan/DDESeg)'


class MemoryArrays(NamedTuple):
    """What a memory file holds.

    Attributes:
        centers: float32 (C, d), Eq. 2; infinite for a class without a clip, so that it is never among the nearest.
        features: float32 (C, k, m, d), Eq. 4, nearest to the centroid first; a cluster of fewer than m repeats its own.
        settings: ``classes`` (C names), ``counts`` (features per class), :func:`backbone_settings`, and what else tells its origin.
    """
    centers: np.ndarray
    features: np.ndarray
    settings: dict


def save_memory(path: str | Path, memory: MemoryArrays) -> None:
    """An npz file without pickled objects; the settings are json text."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'wb') as file:
        np.savez(file, centers=memory.centers, features=memory.features, settings=np.array(json.dumps(memory.settings)))


def load_memory(path: str | Path) -> MemoryArrays:
    """Reads :func:`save_memory`'s file, or, with the ending .npy, DDESeg's published bank.

    Raises:
        FileNotFoundError: no such file; the message names the tool that writes it, or where it is published.
        ValueError: it is no memory, or its arrays and settings do not fit each other.
    """
    if Path(path).suffix == '.npy':
        return load_bank(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no semantic memory; write it with {TOOL}')
    try:
        with np.load(path, allow_pickle=False) as content:
            centers, features = content['centers'], content['features']
            settings = json.loads(str(content['settings']))
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise ValueError(f'{path}: no semantic memory ({error}); expected an npz file of {TOOL}') from error
    classes = settings.get('classes', ())
    fits = centers.ndim == 2 and features.ndim == 4 and features.shape[::3] == centers.shape and len(classes) == len(centers)
    if not fits:
        raise ValueError(f'{path}: found centers {centers.shape}, features {features.shape} and {len(classes)} classes, '
                         'expected (C, d), (C, k, m, d) and C')
    if np.isnan(centers).any() or not np.isfinite(features).all():
        raise ValueError(f'{path}: found numbers that are not finite')
    return MemoryArrays(centers.astype(np.float32), features.astype(np.float32), settings)


def load_bank(path: str | Path) -> MemoryArrays:
    """Reads DDESeg's published bank as :func:`memory_from_bank` says.

    Raises:
        FileNotFoundError: no such file; the message tells where it is published.
        ValueError: no plain array of finite numbers (71, M, d).
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file; expected {BANK}')
    try:
        return memory_from_bank(np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f'{path}: no bank of DDESeg ({error}); expected a plain array (71, M, d), {BANK}') from error


def backbone_settings(backbone: nn.Module) -> dict[str, object]:
    """What of an audio backbone its features depend on, as the memory's file keeps it.

    ``audio_backbone``: its type; ``weights``: file name of its checkpoint; ``front_end``: HTS-AT's mel settings, else None.
    """
    init_cfg = getattr(backbone, 'init_cfg', None)
    checkpoint = getattr(backbone, 'checkpoint', None) or (isinstance(init_cfg, dict) and init_cfg.get('checkpoint')) or None
    return dict(audio_backbone=type(backbone).__name__, weights=checkpoint and Path(checkpoint).name,
                front_end=_mel_settings(getattr(backbone, 'front_end', None)))


def _mel_settings(front_end: tuple | None) -> dict[str, int] | None:
    return front_end and {name: value for name, value in front_end._asdict().items() if name != 'published'}


def memory_from_bank(bank: np.ndarray) -> MemoryArrays:
    """DDESeg's published array (71, M, d), classes in :data:`AVSS_CLASSES`' order, as one cluster of M; centres are bank means.

    Raises:
        ValueError: another shape, or numbers that are not finite.
    """
    if bank.ndim != 3 or len(bank) != len(AVSS_CLASSES):
        raise ValueError(f'found a bank of shape {bank.shape}, expected (71, M, d)')
    bank = bank.astype(np.float32)
    if not np.isfinite(bank).all():
        raise ValueError('found numbers that are not finite')
    front_end = FRONT_ENDS['ddeseg']  # the released models hear with it
    settings = dict(classes=list(AVSS_CLASSES), audio_backbone='HTSAT', weights=front_end.published.split()[0],
                    front_end=_mel_settings(front_end), source='DDESeg bank')
    return MemoryArrays(bank.mean(1), bank[:, None], settings)
