"""Audio-visual datasets."""
from .avsbench import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset
from .base import BaseAVDataset
from .clip_files import DatasetError
from .vpo import VPODataset

__all__ = [
    'AVSBenchMS3Dataset', 'AVSBenchS4Dataset', 'AVSBenchSemanticDataset', 'BaseAVDataset', 'DatasetError', 'VPODataset'
]
