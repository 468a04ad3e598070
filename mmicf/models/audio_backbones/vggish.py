"""VGGish, the audio backbone of the AVS peers."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import load_strict, read_checkpoint

from ..layers import init_centred

PUBLISHED = ('vggish-10086976.pth (72.1 M parameters), published with AVSBench and as a release file of '
             'github.com/harritaylor/torchvggish (v0.1)')


@MODELS.register_module()
class VGGish(BaseModule):
    """One 0.96 s log-mel example → one embedding.

    Six 3×3 convolutions (the layout of ``torchvggish``, and its parameter names), then three linear layers; ReLU after
    every layer, the last one too, so embeddings are not negative. The conv map is flattened frequency-and-channel last
    (NHWC), as the TensorFlow weights want it. No PCA. Random weights are centred
    (:func:`init_centred`): with plain ones most of the embedding would be common to all sounds.

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
