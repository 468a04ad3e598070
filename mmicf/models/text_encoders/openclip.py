"""Text towers of `open_clip <https://github.com/mlfoundations/open_clip>`_."""
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import load_strict, read_checkpoint

from ..layers import tower_weights
from .text_tower import TextTower


@MODELS.register_module()
class OpenCLIPTextEncoder(TextTower):
    """The text tower of an open_clip model, frozen.

    Args:
        model: open_clip's name of the model. Weights trained with QuickGELU (OpenAI's, MetaCLIP's, DFN's) need the name that
            ends in ``-quickgelu``; a tag is checked for it, a local file does not tell.
        pretrained: a local file in open_clip's format (.bin, .pt, .safetensors), or one of open_clip's tags for the model, which
            open_clip looks up in its cache and else downloads. None: random weights, for tests and tiny runs.
        model_cfg: width, heads, layers, vocab_size, context_length and embed_dim that replace the model's own.

    Raises:
        ImportError: open_clip_torch is not installed.
        FileNotFoundError: no such file or tag, or it cannot be downloaded.
        CheckpointMismatchError: the file is of another model.
        ValueError: an unknown model, a tag of weights with another activation, or a text tower that does not end in the one
            causal end token of open_clip's own tokenizer.
    """

    def __init__(self, *, model: str = 'ViT-B-32', pretrained: str | None = None, model_cfg: dict | None = None) -> None:
        try:
            import open_clip
            from open_clip.transformer import QuickGELU, TextTransformer
        except ImportError as error:
            raise ImportError("OpenCLIPTextEncoder needs the package open_clip_torch: pip install 'mmicf[text]'") from error
        config = open_clip.get_model_config(model)
        if config is None:
            raise ValueError(f'open_clip has no model {model!r}; open_clip.list_models() names them')
        text = {**config['text_cfg'], 'embed_dim': config['embed_dim'], **(model_cfg or {})}
        unknown = set(model_cfg or {}) - {'width', 'heads', 'layers', 'vocab_size', 'context_length', 'embed_dim'}
        if unknown:
            raise ValueError(f'model_cfg has unknown keys {sorted(unknown)}')
        # Begin and end token are known for open_clip's tokenizer alone; CoCa pools a class token behind the text.
        other = [key for key in ('hf_model_name', 'hf_tokenizer_name', 'no_causal_mask', 'embed_cls') if text.get(key)]
        if other or text.get('pool_type', 'argmax') != 'argmax':
            raise ValueError(f"{model}: only text towers with a causal mask that pool the end token of open_clip's tokenizer can "
                             f"read pseudo-tokens, found {', '.join(other) or 'pool_type ' + text['pool_type']}")
        with tower_weights():
            tower = TextTransformer(
                context_length=text.get('context_length', 77),
                vocab_size=text.get('vocab_size', 49408),
                width=text['width'],
                heads=text['heads'],
                layers=text['layers'],
                mlp_ratio=text.get('mlp_ratio', 4.0),
                output_dim=text['embed_dim'],
                act_layer=QuickGELU if config.get('quick_gelu') else nn.GELU)
        super().__init__(
            tower, blocks='transformer', num_layers=text['layers'], embed_dims=text['embed_dim'], token_dims=text['width'])
        # open_clip's tokenizer: the last two entries of the vocabulary begin and end a text.
        vocabulary = self.tower.token_embedding.num_embeddings
        self.begin, self.end = vocabulary - 2, vocabulary - 1
        if pretrained is None:
            print_log(f'{model}: random text tower', 'current')
        else:
            state, path, published = read_openclip(model, pretrained)
            load_strict(self.tower, _text_state(state), path=path, published=published)

    def forward(self, pseudo: Tensor) -> Tensor:
        """(M, n, token_dims) → (M, embed_dims), not normalised."""
        tower = self.tower
        ends = tower.token_embedding.weight[[self.begin, self.end]].expand(len(pseudo), -1, -1)
        x = torch.cat([ends[:, :1], pseudo.to(ends.dtype), ends[:, 1:]], 1)
        length = x.shape[1]
        if length > tower.num_pos:
            raise ValueError(f'{length - 2} pseudo-tokens and two ends are more than the tower\'s {tower.num_pos} positions')
        x = tower.transformer(x + tower.positional_embedding[:length], attn_mask=tower.attn_mask[:length, :length])
        return tower.ln_final(x[:, -1]) @ tower.text_projection


def read_openclip(model: str, pretrained: str) -> tuple[dict[str, Tensor], Path, str]:
    """Tensors of a local file or a tag of open_clip, the file, and what it should be, for error messages.

    Raises:
        FileNotFoundError, CheckpointMismatchError, ValueError: see :class:`OpenCLIPTextEncoder`.
    """
    path = Path(pretrained)
    published = f'weights of {model} in open_clip format, see github.com/mlfoundations/open_clip and docs/en/weights.md'
    if not path.is_file():
        path = _download(model, pretrained, published)
    if path.suffix == '.safetensors':
        from safetensors.torch import load_file
        content = load_file(path)
    else:
        content = read_checkpoint(path, published=published)
    return {name.removeprefix('module.'): value for name, value in content.get('state_dict', content).items()}, path, published


def _download(model: str, tag: str, published: str) -> Path:
    import open_clip
    config = open_clip.pretrained.get_pretrained_cfg(model, tag)
    if not config:
        raise FileNotFoundError(f'pretrained={tag!r} is neither a file nor a tag of {model}; expected {published}')
    if config.get('quick_gelu') and not open_clip.get_model_config(model).get('quick_gelu'):
        raise ValueError(f'{model}, tag {tag!r}: these weights were trained with QuickGELU; expected model {model}-quickgelu')
    try:
        return Path(open_clip.pretrained.download_pretrained(config))
    except Exception as error:  # the hub's client raises many types when it is cut off
        raise FileNotFoundError(f'{model}, tag {tag!r}: not cached and not downloadable ({type(error).__name__}: {error}); '
                                f'expected {published}, or a local file') from error


def _text_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text tower's tensors, which open_clip's CLIP class keeps at the top and CustomTextCLIP below ``text.``."""
    if any(name.startswith('text.') for name in state):
        return {name.removeprefix('text.'): value for name, value in state.items() if name.startswith('text.')}
    return {name: value for name, value in state.items() if not name.startswith(('visual.', 'logit_'))}
