"""DDESeg's memory of what single sources sound like (`Eq. 2-4 <https://arxiv.org/abs/2503.12840>`_)."""
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.class_names import AVSS_CLASSES, S4_CATEGORIES, VPO_CLASSES

from ..audio_backbones.htsat import FRONT_ENDS

TOOL = 'tools/dataset_converters/build_semantic_memory.py'
# The bank that DDESeg published has a row for background too.
BANK = '1s_k5_feabank.npy (Hugging Face, Yenan/DDESeg)'
CLASS_SETS = {'s4': S4_CATEGORIES, 'avss': AVSS_CLASSES[1:], 'vpo': VPO_CLASSES[1:], 'avss+background': AVSS_CLASSES}


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


def build_memory(features: Mapping[str, np.ndarray], classes: Sequence[str], *, num_clusters: int, per_cluster: int,
                 settings: Mapping[str, object], seed: int = 0) -> MemoryArrays:
    """Global centre, k-means clusters and the features nearest to their centroids, of every class.

    Args:
        features: (n_c, d) of single-source sounds, by class; classes may be missing.
        classes: all C, in order.
        num_clusters, per_cluster: k and m.
        settings: joins the file's; has those of :func:`backbone_settings`.
        seed: of k-means, which is scikit-learn's (the best of 10 starts) where installed, else scipy's; ``settings`` says which.

    Raises:
        ValueError: features of a class that is not listed, not (n, d), or not finite; or no features at all.
    """
    unknown = sorted(set(features) - set(classes))
    if unknown:
        raise ValueError(f'features of {unknown[:5]}, expected some of the {len(classes)} classes {list(classes)[:5]}, ...')
    dims = {x.shape[1:] for x in features.values() if len(x)}
    if len(dims) != 1 or len(next(iter(dims))) != 1:
        raise ValueError(f'found features of shapes (n, ...) with ... = {sorted(dims)}, expected (n, d) for at least one class')
    d, = next(iter(dims))
    centers = np.full((len(classes), d), np.inf, np.float32)
    nearest = np.zeros((len(classes), num_clusters, per_cluster, d), np.float32)
    for row, name in enumerate(classes):
        x = np.asarray(features.get(name, np.zeros((0, d))), np.float64)
        if not len(x):
            continue
        if not np.isfinite(x).all():
            raise ValueError(f'features of {name}: {int((~np.isfinite(x)).sum())} of {x.size} numbers are not finite')
        centers[row] = x.mean(0)  # Eq. 2
        clusters = _clusters(x, num_clusters, seed)
        for j in range(num_clusters):  # fewer clusters than k where the features are fewer
            nearest[row, j] = _nearest(clusters[j % len(clusters)], per_cluster)
    counts = [len(features.get(name, ())) for name in classes]
    own = dict(classes=list(classes), counts=counts, num_clusters=num_clusters, per_cluster=per_cluster, dims=d, seed=seed,
               kmeans='scikit-learn' if _sklearn() else 'scipy')
    return MemoryArrays(centers, nearest, {**settings, **own})


def _sklearn():
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        return None
    return KMeans


def _clusters(x: np.ndarray, k: int, seed: int) -> list[np.ndarray]:
    """Rows of ``x`` (n, d) by k-means cluster; at most k, none empty."""
    k = min(k, len(np.unique(x, axis=0)))
    if k == 1:
        return [x]
    means = _sklearn()
    if means is not None:
        labels = means(n_clusters=k, n_init=10, random_state=seed).fit_predict(x)
    else:
        from scipy.cluster.vq import kmeans2
        _, labels = kmeans2(x, k, iter=100, minit='++', seed=seed)
    return [x[labels == j] for j in range(k) if (labels == j).any()]


def _nearest(cluster: np.ndarray, m: int) -> np.ndarray:
    """The m rows nearest to the centroid (Eq. 3, 4): the sum of distances is least for the m smallest."""
    distance = np.linalg.norm(cluster - cluster.mean(0), axis=1)
    order = np.argsort(distance, kind='stable')[:m]
    return cluster[np.resize(order, m)]


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


@MODELS.register_module()
class SemanticMemory(BaseModule):
    """The memory as buffers, so that a trained checkpoint carries it; the file is read by ``init_weights``.

    Args:
        path: npz file of the tool, DDESeg's published .npy bank, or ``'random'``: normal numbers, the same in every process, for
            tests and measurements.
        classes: 's4', 'avss', 'vpo', 'avss+background' (the published bank), or C names.
        num_clusters, per_cluster: k and m.
        embed_dims: d.

    Attributes:
        backbone: :func:`backbone_settings` of the model's audio backbone, which must have made the file; the segmentor sets it.

    Raises:
        ValueError: unknown class set; from ``init_weights``: the file was made for other classes, sizes or another backbone.
        FileNotFoundError: from ``init_weights``.
    """

    def __init__(self, *, path: str, classes: str | Sequence[str], num_clusters: int, per_cluster: int, embed_dims: int,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if isinstance(classes, str):
            if classes not in CLASS_SETS:
                raise ValueError(f'classes must be one of {list(CLASS_SETS)} or a list of names, got {classes!r}')
            classes = CLASS_SETS[classes]
        self.path, self.classes, self.backbone = path, tuple(classes), {}
        shape = (len(self.classes), num_clusters, per_cluster, embed_dims)
        centers, features = torch.full((shape[0], embed_dims), torch.nan), torch.full(shape, torch.nan)
        if path == 'random':
            print_log('semantic memory: random numbers', 'current')
            features = torch.randn(shape, generator=torch.Generator().manual_seed(0), device='cpu').to(features)
            centers = features.mean((1, 2))
        self.register_buffer('centers', centers)
        self.register_buffer('features', features)
        self._filled = False

    def init_weights(self) -> None:
        super().init_weights()
        if self.path == 'random':
            return
        memory = load_memory(self.path)
        expected = dict(classes=self.classes, shape=tuple(self.features.shape), **self.backbone)
        found = {**memory.settings, 'classes': tuple(memory.settings['classes']), 'shape': memory.features.shape}
        wrong = [f'{key} {found.get(key)}, expected {value}' for key, value in expected.items() if found.get(key) != value]
        if wrong:
            raise ValueError(f'{self.path}: found {"; ".join(wrong)}')
        self.centers.copy_(torch.from_numpy(memory.centers))
        self.features.copy_(torch.from_numpy(memory.features))

    def check(self, num_tokens: int) -> None:
        """Once: the memory was filled, and knows at least ``num_tokens`` classes.

        Raises:
            RuntimeError: neither ``init_weights`` nor a checkpoint filled it, or too few classes have sounds.
        """
        if self._filled:
            return
        if torch.isnan(self.centers).any():
            raise RuntimeError(f'the semantic memory is empty: neither init_weights read {self.path} (made by {TOOL}) nor was a '
                               "trained checkpoint loaded; path='random' is for measurements")
        known = int(torch.isfinite(self.centers).all(1).sum())
        if known < num_tokens:
            raise RuntimeError(f'{self.path}: only {known} of {len(self.classes)} classes have sounds, expected {num_tokens}')
        self._filled = True

    def nearest(self, audio: Tensor, num_tokens: int) -> Tensor:
        """Indices of the nearest centres (Euclidean, nearest first): (N, d) → (N, num_tokens)."""
        self.check(num_tokens)
        distance = torch.cdist(audio.float(), self.centers.float(), compute_mode='donot_use_mm_for_euclid_dist')
        return distance.topk(num_tokens, largest=False).indices
