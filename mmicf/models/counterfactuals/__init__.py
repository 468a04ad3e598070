"""Counterfactual text (ICF Sec. 3.3)."""
from .semantic_counterfactual import SemanticCounterfactual
from .variants import DiscreteCounterfactual, FeatureLevelCounterfactual, PairSwapCounterfactual, PrecomputedCounterfactual

__all__ = [
    'DiscreteCounterfactual', 'FeatureLevelCounterfactual', 'PairSwapCounterfactual', 'PrecomputedCounterfactual',
    'SemanticCounterfactual'
]
