"""`AVSegFormer <https://arxiv.org/abs/2307.01146>`_ (AAAI 2024) as a decode head."""
from .head import AVSegFormerHead, AVSegFormerOutputs
from .mixer import CrossModalMixer
from .query_generator import QueryGenerator
from .released_names import released_name
from .transformer import AVSegFormerTransformer

__all__ = ['AVSegFormerHead', 'AVSegFormerOutputs', 'AVSegFormerTransformer', 'CrossModalMixer', 'QueryGenerator', 'released_name']
