"""Audio-visual datasets."""
from .avsbench import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset
from .base import BaseAVDataset
from .clip_files import DatasetError
from .vpo import VPODataset

# What the tools call the sets.
SETS = {'s4': AVSBenchS4Dataset, 'ms3': AVSBenchMS3Dataset, 'avss': AVSBenchSemanticDataset, 'vpo': VPODataset}

__all__ = [
    'SETS', 'AVSBenchMS3Dataset', 'AVSBenchS4Dataset', 'AVSBenchSemanticDataset', 'BaseAVDataset', 'DatasetError', 'VPODataset'
]
