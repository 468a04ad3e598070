"""DDESeg's memory of what single sources sound like (`Eq. 2-4 <https://arxiv.org/abs/2503.12840>`_)."""
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.utils.class_names import AVSS_CLASSES, S4_CATEGORIES, VPO_CLASSES

from .memory_file import TOOL, MemoryArrays, load_memory

# The bank that DDESeg published has a row for background too.
CLASS_SETS = {'s4': S4_CATEGORIES, 'avss': AVSS_CLASSES[1:], 'vpo': VPO_CLASSES[1:], 'avss+background': AVSS_CLASSES}


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
            Other names of its weights are only warned of.

    Raises:
        ValueError: unknown class set; from ``init_weights``: the file was made for other classes, sizes, mel settings or another
            type of backbone.
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
        weights = expected.pop('weights', None)  # a converted file has another name, and load_from none here
        found = {**memory.settings, 'classes': tuple(memory.settings['classes']), 'shape': memory.features.shape}
        wrong = [f'{key} {found.get(key)}, expected {value}' for key, value in expected.items() if found.get(key) != value]
        if wrong:
            raise ValueError(f'{self.path}: found {"; ".join(wrong)}')
        if self.backbone and weights != found.get('weights'):
            print_log(f'{self.path}: made with the audio weights {found.get("weights")}, while the config names {weights}; the '
                      'memory is of use only if both hold the same network', 'current', level=logging.WARNING)
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
