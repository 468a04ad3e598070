"""LAION-CLAP's audio tower on the clips' waveforms."""
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmicf.registry import MODELS
from mmicf.utils.strict_loading import load_strict, read_checkpoint

from ..audio_backbones import HTSAT
from ..audio_backbones.htsat import FRONT_ENDS
from ..layers import FrozenTower, tower_weights


@MODELS.register_module()
class CLAPAudioAnchor(FrozenTower):
    """Sound → one embedding per frame in the space of :class:`CLAPTextEncoder`.

    Frame t hears [t, t + 1) seconds, repeated to the 10 s that the tower was trained with. Waveforms are expected at 48 kHz
    (``LoadAudio(sample_rate=48000)``).

    Args:
        checkpoint: LAION-CLAP's file, the one of the text tower. None: random weights.
        base_dims, depths: of HTS-AT, for tests and tiny runs.
        embed_dims: width of the joint space.

    Raises:
        ImportError: laion_clap is not installed.
        FileNotFoundError, CheckpointMismatchError: no such file, or another model's.
    """

    def __init__(self, *, checkpoint: str | None = None, base_dims: int = 96, depths: Sequence[int] = (2, 2, 6, 2),
                 embed_dims: int = 512) -> None:
        with tower_weights():
            htsat = HTSAT(front_end='laion', base_dims=base_dims, depths=depths, checkpoint=checkpoint)
            htsat.init_weights()
            projection = nn.Sequential(nn.Linear(htsat.embed_dims, embed_dims), nn.ReLU(), nn.Linear(embed_dims, embed_dims))
        if checkpoint is None:
            print_log('CLAP: random audio tower', 'current')
        else:
            published = FRONT_ENDS['laion'].published
            content = read_checkpoint(checkpoint, published=published)
            state = {name.removeprefix('module.'): value for name, value in content.get('state_dict', content).items()}
            prefix = 'audio_projection.'
            state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            load_strict(projection, state, path=checkpoint, published=published)
        super().__init__(nn.ModuleDict(dict(audio_branch=htsat, audio_projection=projection)))
        self.embed_dims = embed_dims

    @torch.no_grad()
    def forward(self, waveform: Sequence[Tensor], sample_rate: Sequence[int], clip_lengths: Sequence[int]) -> Tensor:
        """One (L,) or (2, L) per clip, rates in Hz and T per clip → (N, d), not normalised.

        Raises:
            ValueError: another rate than 48 kHz, or less than one second per frame.
        """
        lengths = torch.tensor(clip_lengths, device=waveform[0].device)
        index = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
        return self.tower['audio_projection'](self.tower['audio_branch'](waveform, sample_rate, index))
