"""VGGish, the audio backbone of the AVS peers."""
import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import load_strict, read_checkpoint

PUBLISHED = ('vggish-10086976.pth (72.1 M parameters), published with AVSBench and as a release file of '
             'github.com/harritaylor/torchvggish (v0.1)')


@MODELS.register_module()
class VGGish(BaseModule):
    """One 0.96 s log-mel example → one embedding.

    Six 3×3 convolutions (the layout of ``torchvggish``, and its parameter names), then three linear layers; ReLU after
    every layer, the last one too, so embeddings are not negative. The conv map is flattened frequency-and-channel last
    (NHWC), as the TensorFlow weights want it. No PCA. Random weights are :func:`centred <init_centred>`.

    Args:
        channels: widths of the four conv stages; the later two have two convolutions each.
        hidden_dims: width of the two hidden linear layers.
        out_dims: width of the embedding, also ``embed_dims``.
        frozen: no gradients, eval mode always, forward without graph.
        checkpoint: ``vggish-10086976.pth``, loaded by ``init_weights`` (so not needed to test a trained model). Every
            key and shape must agree. None starts from random weights.
        init_cfg: mmengine's.

    Raises:
        FileNotFoundError: from ``init_weights``: the checkpoint is missing.
        CheckpointMismatchError: from ``init_weights``: it is another model's.
    """

    input_fields = ('log_mel',)

    def __init__(self, *, channels: Sequence[int] = (64, 128, 256, 512), hidden_dims: int = 4096, out_dims: int = 128,
                 frozen: bool = True, checkpoint: str | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if len(channels) != 4:
            raise ValueError(f'channels must be the widths of 4 stages, got {tuple(channels)}')
        layers, previous = [], 1
        for stage, width in enumerate(channels):
            for _ in range(1 if stage < 2 else 2):
                layers += [nn.Conv2d(previous, width, 3, padding=1), nn.ReLU(inplace=True)]
                previous = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        # 96 x 64 halves four times
        self.embeddings = nn.Sequential(
            nn.Linear(6 * 4 * previous, hidden_dims), nn.ReLU(inplace=True), nn.Linear(hidden_dims, hidden_dims),
            nn.ReLU(inplace=True), nn.Linear(hidden_dims, out_dims), nn.ReLU(inplace=True))
        self.embed_dims = out_dims
        self.frozen = frozen
        self.checkpoint = checkpoint
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                init_centred(module)
        if frozen:
            self.requires_grad_(False)
        self.train()

    def init_weights(self) -> None:
        super().init_weights()
        if self.checkpoint is not None:
            state = read_checkpoint(self.checkpoint, published=PUBLISHED)
            load_strict(self, state, path=self.checkpoint, published=PUBLISHED)

    def train(self, mode: bool = True) -> 'VGGish':
        return super().train(mode and not self.frozen)

    def forward(self, log_mel: Tensor) -> Tensor:
        """(N, 1, 96, 64) → (N, embed_dims), not negative."""
        if log_mel.shape[1:] != (1, 96, 64):
            raise ValueError(f'VGGish takes log-mel examples (N, 1, 96, 64), got {tuple(log_mel.shape)}')
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = self.features(log_mel)
            return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))  # (N, C, 6, 4) -> (N, 24 C)


def init_centred(layer: nn.Conv2d | nn.Linear) -> None:
    """Random weights for a layer behind a ReLU, whose sum over the inputs of each output is zero.

    What comes out of a ReLU has a positive mean that all inputs share. Through nine layers of plain Kaiming weights it grows at
    the cost of what differs, until all sounds have nearly the same embedding: three quarters of a fresh model's audio token were
    common to all frames of the synthetic clips, with these weights half of it (``tests/test_models/test_audio_backbones``). The
    gain keeps the variance: of a unit Gaussian, ReLU leaves E[x²] − E[x]² = 1/2 − 1/(2π).
    """
    fan_in = layer.weight[0].numel()
    with torch.no_grad():
        layer.weight.normal_(std=((0.5 - 0.5 / math.pi) * fan_in)**-0.5)
        layer.weight.sub_(layer.weight.flatten(1).mean(1).view(-1, *[1] * (layer.weight.dim() - 1)))
    nn.init.zeros_(layer.bias)
