"""What the text towers have in common."""
from torch import nn

from ..layers import FrozenTower


class TextTower(FrozenTower):
    """A frozen text tower: pseudo-tokens between a begin and an end token → one embedding.

    Only num_tokens + 2 positions are computed. The end token's embedding does not see what would follow it (a causal mask or
    padding that is masked), so the result equals that of a prompt padded to the tower's full length.

    Args:
        tower: the network.
        blocks: name of its transformer layers.
        num_layers: how many they are.
        embed_dims: d, width of the embedding.
        token_dims: width of a pseudo-token.
    """

    def __init__(self, tower: nn.Module, *, blocks: str, num_layers: int, embed_dims: int, token_dims: int) -> None:
        super().__init__(tower)
        self.blocks, self.num_layers = blocks, num_layers
        self.embed_dims, self.token_dims = embed_dims, token_dims

    def text_flops(self, num_texts: int, num_tokens: int) -> int:
        """FLOPs (a multiply-add is two) of one forward over texts of ``num_tokens`` pseudo-tokens."""
        length = num_tokens + 2
        dense = sum(p.numel() for p in self.tower.get_submodule(self.blocks).parameters() if p.dim() == 2)
        return num_texts * (2 * length * dense + self.num_layers * 4 * length**2 * self.token_dims)
