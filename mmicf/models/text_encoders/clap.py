"""The text tower of `LAION-CLAP <https://github.com/LAION-AI/CLAP>`_: RoBERTa and a projection."""
from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import load_strict, read_checkpoint

from ..layers import tower_weights
from .text_tower import TextTower

_PUBLISHED = '630k-audioset-best.pt, published by LAION-CLAP (huggingface.co/lukewys/laion_clap)'
# roberta-base; the published file's text tower has these sizes.
_ROBERTA_BASE = dict(vocab_size=50265, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
                     max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)


@MODELS.register_module()
class CLAPTextEncoder(TextTower):
    """LAION-CLAP's text tower, frozen, built without any hub.

    Args:
        checkpoint: a LAION-CLAP file with a RoBERTa text tower; its audio tower is left out. None: random weights, for tests and
            tiny runs.
        text_cfg: sizes of RoBERTa that replace roberta-base's.
        embed_dims: width of the joint space.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: no such file; the message tells where it is published.
        CheckpointMismatchError: the file is of another model.
        ValueError: an unknown key in ``text_cfg``.
    """

    begin, end = 0, 2  # <s> and </s> of RoBERTa

    def __init__(self, *, checkpoint: str | None = None, text_cfg: dict | None = None, embed_dims: int = 512) -> None:
        try:
            from transformers import RobertaConfig, RobertaModel
        except ImportError as error:
            raise ImportError("CLAPTextEncoder needs the package transformers: pip install 'mmicf[clap]'") from error
        unknown = set(text_cfg or {}) - set(_ROBERTA_BASE)
        if unknown:
            raise ValueError(f'text_cfg has unknown keys {sorted(unknown)}, known are {sorted(_ROBERTA_BASE)}')
        sizes = {**_ROBERTA_BASE, **(text_cfg or {})}
        # RoBERTa's own 0.02 would make a random tower say nearly the same about every text.
        config = RobertaConfig(**sizes, initializer_range=sizes['hidden_size']**-0.5)
        with tower_weights():
            projection = nn.Sequential(nn.Linear(config.hidden_size, embed_dims), nn.ReLU(), nn.Linear(embed_dims, embed_dims))
            tower = nn.ModuleDict(dict(text_branch=RobertaModel(config), text_projection=projection))
        super().__init__(
            tower,
            blocks='text_branch.encoder',
            num_layers=config.num_hidden_layers,
            embed_dims=embed_dims,
            token_dims=config.hidden_size)
        if checkpoint is None:
            print_log('CLAP: random text tower', 'current')
        else:
            state = _text_state(read_checkpoint(checkpoint, published=_PUBLISHED))
            load_strict(self.tower, state, path=checkpoint, published=_PUBLISHED)

    def forward(self, pseudo: Tensor) -> Tensor:
        """(M, n, token_dims) → (M, embed_dims), not normalised."""
        roberta = self.tower['text_branch']
        ends = roberta.embeddings.word_embeddings.weight[[self.begin, self.end]].expand(len(pseudo), -1, -1)
        x = torch.cat([ends[:, :1], pseudo.to(ends.dtype), ends[:, 1:]], 1)
        room = roberta.config.max_position_embeddings - 2  # RoBERTa counts positions from its padding index on
        if x.shape[1] > room:
            raise ValueError(f"{x.shape[1] - 2} pseudo-tokens and two ends are more than the tower's {room} positions")
        return self.tower['text_projection'](roberta(inputs_embeds=x).pooler_output)


def _text_state(content: Mapping) -> dict[str, Tensor]:
    """The text tower's tensors; ``position_ids`` is a buffer that older files of transformers carry."""
    state = content.get('state_dict', content)
    state = {name.removeprefix('module.'): value for name, value in state.items()}
    return {name: value for name, value in state.items()
            if name.startswith(('text_branch.', 'text_projection.')) and not name.endswith('position_ids')}
