"""Dynamic elimination (DDESeg, `Sec. 3.2 <https://arxiv.org/abs/2503.12840>`_): which derived sounds are in the picture."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .derivation import check_style, init_linear

# Rows of the paper's Table 4. In the last two, pixels are softly assigned to learned centres before the attention.
SCHEMES = {1: 'no elimination', 2: 'FC', 3: 'attention to pixels, FC', 4: 'soft k-means, attention, FC',
           5: 'Gumbel-softmax, attention, FC'}


class TokenAttention(nn.Module):
    """Tokens (N, K, C) look at pixels, multi-head, no residual (Eq. 15) → (N, K, C).

    Args:
        embed_dims: C.
        num_heads: must divide C.
        style: 'released' has no biases and no output projection.
    """

    def __init__(self, embed_dims: int, num_heads: int = 8, style: str = 'paper') -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(f'num_heads={num_heads} must divide embed_dims={embed_dims}')
        bias = check_style(style) == 'paper'
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims, bias=bias)
        self.key = nn.Linear(embed_dims, embed_dims, bias=bias)
        self.value = nn.Linear(embed_dims, embed_dims, bias=bias)
        self.out = nn.Linear(embed_dims, embed_dims) if bias else nn.Identity()

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(-2, -3)  # (..., L, C) -> (..., heads, L, C/heads)

    def forward(self, tokens: Tensor, pixels: Tensor) -> Tensor:
        """(N, K, C) and (N, S, C) → (N, K, C)."""
        x = F.scaled_dot_product_attention(self._split(self.query(tokens)), self._split(self.key(pixels)),
                                           self._split(self.value(pixels)))
        return self.out(x.transpose(1, 2).flatten(2))

    def to_centers(self, tokens: Tensor, centers: Tensor, assignment: Tensor) -> Tensor:
        """As :meth:`forward` with pixels = assignment · centers, (N, S, k) and (k, C), exactly, at k/C of the cost.

        The assignment's rows add up to 1, so the projections, biases included, may be applied to the centres alone.
        """
        query = self._split(self.query(tokens))
        keys, values = self._split(self.key(centers)), self._split(self.value(centers))  # (heads, k, C/heads)
        seen = assignment[:, None].to(query.dtype).expand(-1, self.num_heads, -1, -1)
        x = F.scaled_dot_product_attention(query @ keys.transpose(-1, -2), seen, seen, scale=query.shape[-1]**-0.5) @ values
        return self.out(x.transpose(1, 2).flatten(2))


class DynamicElimination(nn.Module):
    """Sounds (N, K, C) and pixels (N, S, C) → how much each sound has to do with the picture, (N, K) (Eq. 13-16).

    The caller weakens the sounds by it (Eq. 17). Gumbel noise is drawn while training only; predictions are deterministic.
    Eq. 14 is read as printed: a pixel becomes the mixture of centres that it is assigned to (docs/en/decisions.md).

    Args:
        embed_dims: C.
        num_centers: K in Eq. 13.
        num_heads: of Eq. 15.
        temperature: τ.
        scheme: row of Table 4, see :data:`SCHEMES`. 1 gives ones. 4 assigns by squared distance instead of Eq. 13.
        style: 'paper' scores by a sigmoid; 'released' by a softmax over the K sounds.

    Raises:
        ValueError: unknown scheme or style.
    """

    def __init__(self, *, embed_dims: int, num_centers: int = 5, num_heads: int = 8, temperature: float = 1., scheme: int = 5,
                 style: str = 'paper') -> None:
        super().__init__()
        if scheme not in SCHEMES:
            raise ValueError(f'scheme must be one of {SCHEMES}, got {scheme!r}')
        self.scheme, self.style, self.temperature = scheme, check_style(style), temperature
        if scheme >= 2:
            self.score = nn.Linear(embed_dims, 1)
        if scheme >= 3:
            self.attention = TokenAttention(embed_dims, num_heads, style)
        if scheme >= 4:
            self.centers = nn.Parameter(torch.randn(num_centers, embed_dims))
        self.apply(init_linear)

    def forward(self, tokens: Tensor, pixels: Tensor) -> Tensor:
        """(N, K, C) and (N, S, C) → (N, K)."""
        if self.scheme == 1:
            return torch.ones_like(tokens[..., 0])
        if self.scheme == 3:
            tokens = self.attention(tokens, pixels)
        elif self.scheme >= 4:
            tokens = self.attention.to_centers(tokens, self.centers, self.assign(pixels))
        score = self.score(tokens)[..., 0]
        return score.sigmoid() if self.style == 'paper' else score.softmax(1)

    def assign(self, pixels: Tensor) -> Tensor:
        """Eq. 13: (N, S, C) → float32 (N, S, num_centers), rows add up to 1."""
        with torch.autocast(pixels.device.type, enabled=False):  # half precision would round the noise away
            centers = self.centers.float()
            logits = pixels.float() @ centers.T
            if self.scheme == 4:
                logits = 2 * logits - centers.square().sum(1)  # −|v − c|² up to what all centres share
            elif self.training:
                logits = logits - torch.empty_like(logits).exponential_().log()
            return (logits / self.temperature).softmax(-1)
