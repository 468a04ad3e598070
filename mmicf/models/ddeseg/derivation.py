"""Dynamic derivation (DDESeg, `Sec. 3.1 <https://arxiv.org/abs/2503.12840>`_): several single-source sounds from a mixed one."""
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS

from .memory_file import TOOL

STYLES = ('paper', 'released')


def check_style(style: str) -> str:
    if style not in STYLES:
        raise ValueError(f'style must be one of {list(STYLES)}, got {style!r}')
    return style


def init_linear(module: nn.Module) -> None:
    """Xavier weights and no biases, so that a signal keeps its size whatever the widths; the release's σ of 0.02 does at 768."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@MODELS.register_module()
class DynamicDerivation(BaseModule):
    """Audio features F (N, d) → K derived sounds (N, K, d), one for each of the nearest classes of the memory.

    'paper': Eq. 5-8, then Eq. 9-12, where the fusion weights are one number per edge and each cluster has an offset of its own;
    their mean refines the sound (Eq. 12 leaves the cluster's index open, docs/en/decisions.md). 'released': weights per channel,
    Eq. 8 multiplies, every entry of the memory has an offset (of a + e), and the K·M refined sounds are summed over M.

    Args:
        embed_dims: d.
        memory: config of :class:`SemanticMemory`; ``embed_dims`` is filled in.
        num_tokens: K.
        enhance: with the discriminative enhancement, Eq. 9-12.
        style: see above.

    Raises:
        ValueError: unknown style, or no memory.
    """

    def __init__(self, *, embed_dims: int, memory: dict, num_tokens: int = 5, enhance: bool = True, style: str = 'paper',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if memory is None:
            raise ValueError(f'DynamicDerivation needs a memory: dict(type=\'SemanticMemory\', path=...), made by {TOOL}')
        self.style, self.num_tokens, self.enhance = check_style(style), num_tokens, enhance
        self.memory = MODELS.build(dict(memory, embed_dims=embed_dims))
        weights = 1 if style == 'paper' else embed_dims
        self.class_edge = nn.Linear(embed_dims, embed_dims)
        self.class_weight = nn.Linear(embed_dims, weights, bias=False)
        self.class_offset = nn.Linear(embed_dims, embed_dims)
        if enhance:
            self.intra_edge = nn.Linear(embed_dims, embed_dims)
            self.intra_weight = nn.Linear(embed_dims, weights, bias=False)
            self.intra_offset = nn.Linear(embed_dims, embed_dims)
        self.apply(init_linear)

    def forward(self, audio: Tensor) -> Tensor:
        """(N, d) → (N, K, d)."""
        chosen = self.memory.nearest(audio, self.num_tokens)
        derived = self.derive(audio, self.memory.centers[chosen])
        return self.refine(derived, self.memory.features[chosen]) if self.enhance else derived

    def derive(self, audio: Tensor, centers: Tensor) -> Tensor:
        """Eq. 5-8: (N, d) and the chosen centres (N, K, d) → (N, K, d)."""
        audio = audio[:, None]
        edge = _edge(self.class_edge, centers - audio)
        offset = torch.tanh(self.class_offset(audio + self.class_weight(edge).softmax(1) * edge))
        return audio + offset if self.style == 'paper' else audio * (1 + offset)

    def refine(self, derived: Tensor, features: Tensor) -> Tensor:
        """Eq. 9-12: (N, K, d) and the chosen classes' features (N, K, k, m, d) → (N, K, d)."""
        if self.style == 'released':
            features, derived = features.flatten(2, 3), derived[:, :, None]  # (N, K, M, d), (N, K, 1, d)
            edge = _edge(self.intra_edge, features - derived)
            offset = torch.tanh(self.intra_offset(derived + self.intra_weight(edge).softmax(2) * edge))
            return (derived * (1 + offset)).sum(2)
        edge = _edge(self.intra_edge, features - derived[:, :, None, None])
        edge = (self.intra_weight(edge).softmax(3) * edge).sum(3)  # (N, K, k, d)
        return derived * (1 + torch.tanh(self.intra_offset(edge)).mean(2))


def _edge(layer: nn.Linear, difference: Tensor) -> Tensor:
    return nn.functional.gelu(layer(difference))
