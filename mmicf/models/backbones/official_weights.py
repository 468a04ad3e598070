"""Initialisers that fill visual backbones from the files their authors published, every key accounted for."""
import re

from mmengine.logging import print_log
from torch import nn

from mmicf.registry import WEIGHT_INITIALIZERS
from mmicf.utils.checkpoint import load_official

PVT_PUBLISHED = ('pvt_v2_b5.pth (or the PVTv2 size that the config names), published at '
                 'github.com/whai362/PVT/releases (tag v2) and in the pretrained_backbones folder of the AVSBench '
                 'project on Google Drive')
RESNET_PUBLISHED = ('a torchvision ResNet state_dict such as resnet50-19c8e357.pth, published at '
                    'download.pytorch.org/models/resnet50-19c8e357.pth')


def pvt_v2_name(name: str) -> str | None:
    """Official PVTv2 tensor name → timm's ``features_only`` name; None for the classifier.

    >>> pvt_v2_name('block2.0.mlp.dwconv.dwconv.weight')
    'stages_1.blocks.0.mlp.dwconv.weight'
    """
    if name.startswith('head.'):
        return None
    match = re.match(r'(patch_embed|block|norm)([1-4])\.(.+)', name)
    if match is None:
        return name
    part, stage, rest = match[1], int(match[2]) - 1, match[3]
    if part == 'patch_embed':
        return f'patch_embed.{rest}' if stage == 0 else f'stages_{stage}.downsample.{rest}'
    part = 'blocks' if part == 'block' else part
    return f'stages_{stage}.{part}.{rest}'.replace('dwconv.dwconv', 'dwconv')


@WEIGHT_INITIALIZERS.register_module()
class OfficialPVTv2Init:
    """Loads the authors' PVTv2 file into ``mmpretrain.TIMMBackbone(model_name='pvt_v2_*', features_only=True)``.

    ``init_cfg=dict(type='OfficialPVTv2Init', checkpoint=...)``; runs in ``init_weights``, so a trained model is tested
    without the file.

    Args:
        checkpoint: the file.

    Raises:
        FileNotFoundError: no such file; the message tells where it is published.
        CheckpointMismatchError: it is another model's.
    """

    def __init__(self, *, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        load_official(module.timm_model, self.checkpoint, published=PVT_PUBLISHED, key_map=pvt_v2_name)
        print_log(f'PVTv2 weights from {self.checkpoint}', 'current')


@WEIGHT_INITIALIZERS.register_module()
class OfficialResNetInit:
    """Loads a torchvision ResNet file into a ResNet of mmseg or mmpretrain with four stages and the 7×7 stem.

    The names are the same; ``fc`` is left out.

    Args:
        checkpoint: the file.

    Raises:
        FileNotFoundError, CheckpointMismatchError: as :class:`OfficialPVTv2Init`.
    """

    def __init__(self, *, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        load_official(module, self.checkpoint, published=RESNET_PUBLISHED,
                      key_map=lambda name: None if name.startswith('fc.') else name)
        print_log(f'ResNet weights from {self.checkpoint}', 'current')
