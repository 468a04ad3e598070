"""The image tower of an open_clip model on the segmentor's frames."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import load_strict

from ..layers import FrozenTower, tower_weights
from ..text_encoders.openclip import read_openclip


@MODELS.register_module()
class CLIPImageAnchor(FrozenTower):
    """Frames → embeddings in the space of :class:`OpenCLIPTextEncoder`.

    The whole frame is resized to the tower's input, without a crop: objects at its edge sound too. Mean, std and interpolation are
    those of the tag, without a tag those that all tags of the model share, else OpenAI's.

    Args:
        model, pretrained: as of :class:`OpenCLIPTextEncoder`, from the same file.
        model_cfg: ``embed_dim`` and a ``vision_cfg`` that replace the model's, for tests and tiny runs.
        mean, std: the data preprocessor's, on the 0..255 scale: frames come normalised by them.

    Raises:
        As :class:`OpenCLIPTextEncoder`.
    """

    def __init__(self, *, model: str = 'ViT-B-32', pretrained: str | None = None, model_cfg: dict | None = None,
                 mean: Sequence[float] = (123.675, 116.28, 103.53), std: Sequence[float] = (58.395, 57.12, 57.375)) -> None:
        try:
            import open_clip
        except ImportError as error:
            raise ImportError("CLIPImageAnchor needs the package open_clip_torch: pip install 'mmicf[text]'") from error
        config = open_clip.get_model_config(model)
        if config is None:
            raise ValueError(f'open_clip has no model {model!r}; open_clip.list_models() names them')
        config |= model_cfg or {}
        # open_clip builds both towers at once: the text tower is made as small as it can be, and dropped.
        with tower_weights():
            clip = open_clip.model.CLIP(
                config['embed_dim'], config['vision_cfg'], dict(layers=1, width=8, heads=1, vocab_size=8),
                quick_gelu=config.get('quick_gelu', False))
        super().__init__(clip.visual)
        self.embed_dims = config['embed_dim']
        size = clip.visual.image_size
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        clip_mean, clip_std, self.interpolation = _preprocessing(model, pretrained)
        for name, values in (('mean', mean), ('std', std), ('clip_mean', clip_mean), ('clip_std', clip_std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
        if pretrained is None:
            print_log(f'{model}: random image tower', 'current')
        else:
            state, path, published = read_openclip(model, pretrained)
            visual = {name.removeprefix('visual.'): value for name, value in state.items() if name.startswith('visual.')}
            load_strict(self.tower, visual, path=path, published=published)

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W), normalised by the data preprocessor → (N, d), not normalised."""
        x = (frames * self.std + self.mean) / 255
        x = F.interpolate(x, size=self.size, mode=self.interpolation, align_corners=False, antialias=True).clamp(0, 1)
        return self.tower((x - self.clip_mean) / self.clip_std)


def _preprocessing(model: str, pretrained: str | None) -> tuple[tuple, tuple, str]:
    """Mean, std (on the 0..1 scale) and interpolation that the weights were trained with."""
    import open_clip
    tags = open_clip.list_pretrained_tags_by_model(model)
    configs = [open_clip.pretrained.get_pretrained_cfg(model, tag) for tag in tags]
    own = open_clip.pretrained.get_pretrained_cfg(model, pretrained) if pretrained is not None else None
    found = {(tuple(c['mean']), tuple(c['std']), c['interpolation']) for c in ([own] if own else configs)}
    return found.pop() if len(found) == 1 else (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD, 'bicubic')
