"""HTS-AT, the audio transformer of DDESeg and LAION-CLAP."""
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmicf.registry import MODELS
from mmicf.utils.laion_clap_import import import_clap_module
from mmicf.utils.strict_loading import CheckpointMismatchError, load_strict, read_checkpoint


class FrontEnd(NamedTuple):
    """Mel settings that a published HTS-AT was trained with.

    Attributes:
        sample_rate: Hz.
        hop_size: samples; the window has 1024, the filter bank 64 bands.
        fmin, fmax: Hz, edges of the filter bank. A checkpoint brings its own bank (``logmel_extractor.melW``).
        tile_seconds: the second of a frame is repeated to this length before the spectrogram.
        published: name of the weights and where they are.
    """
    sample_rate: int
    hop_size: int
    fmin: int
    fmax: int
    tile_seconds: int
    published: str


FRONT_ENDS = {
    # DDESeg's config has fmax = fmin = 50, a filter bank of NaN until the checkpoint overwrites it; Nyquist instead.
    'ddeseg': FrontEnd(22050, 256, 50, 11025, 1, 'HTSAT_AudioSet_Saved_1_clean.ckpt (Hugging Face, Yenan/DDESeg)'),
    # LAION-CLAP was trained on 10 s and repeats shorter sounds.
    'laion': FrontEnd(48000, 480, 50, 14000, 10, '630k-audioset-best.pt (Hugging Face, lukewys/laion_clap)'),
}
_WINDOW, _MELS = 1024, 64
_ANCHOR = 'patch_embed.proj.weight'  # a key that every HTS-AT file has once; what precedes it is the file's prefix
_CLASSIFIER = ('tscam_conv.', 'head.')  # not used for embeddings, and 71 or 527 classes wide
HTSAT_CONSTANTS = ('relative_position_index', 'attn_mask')  # constants of the architecture that some files leave out


@MODELS.register_module()
class HTSAT(BaseModule):
    """One second of sound per frame → one embedding: frame t hears the samples of [t, t + 1) seconds.

    The network is ``laion_clap``'s (extra ``clap``); it needs no network access. Its spectrogram and filter bank,
    batch norm and Swin blocks are used, its classifier is left out: the embedding is the mean of the final tokens
    (``latent_output`` in DDESeg, ``embedding`` in LAION-CLAP). SpecAugment is never applied and, when frozen, neither
    are drop-path and new batch norm statistics (DDESeg leaves all three active while it trains).

    Args:
        front_end: ``'ddeseg'`` (22,050 Hz, window 1024, hop 256) or ``'laion'`` (48 kHz, hop 480, the second repeated
            to 10).
        base_dims: channels of the first stage; the embedding has eight times as many (``embed_dims``, 768).
        depths: blocks of the four stages.
        frozen: no gradients, eval mode always, forward without graph.
        checkpoint: DDESeg's or LAION-CLAP's file, loaded by ``init_weights``. A whole CLAP or DDESeg model is fine:
            its one HTS-AT is taken. None starts from random weights.
        init_cfg: mmengine's.

    Raises:
        ImportError: ``laion_clap`` is not installed.
        FileNotFoundError, CheckpointMismatchError: from ``init_weights``: no such file, or another model's.
    """

    input_fields = ('waveform', 'sample_rate', 'clip_index')

    def __init__(self, *, front_end: str = 'ddeseg', base_dims: int = 96, depths: Sequence[int] = (2, 2, 6, 2),
                 frozen: bool = True, checkpoint: str | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if front_end not in FRONT_ENDS:
            raise ValueError(f'front_end must be one of {sorted(FRONT_ENDS)}, got {front_end!r}')
        self.front_end = FRONT_ENDS[front_end]
        config = SimpleNamespace(sample_rate=self.front_end.sample_rate, window_size=_WINDOW, mel_bins=_MELS,
                                 hop_size=self.front_end.hop_size, fmin=self.front_end.fmin, fmax=self.front_end.fmax)
        with torch.device('cpu'):  # its spectrogram is filled from numpy, which a model built on 'meta' could not take
            self.tower = import_clap_module('htsat').HTSAT_Swin_Transformer(
                embed_dim=base_dims, depths=list(depths), num_heads=[4, 8, 16, 32], window_size=8, config=config)
        del self.tower.tscam_conv, self.tower.head
        self.embed_dims = 8 * base_dims
        self.frozen = frozen
        self.checkpoint = checkpoint
        if frozen:
            self.requires_grad_(False)
        self.train()

    def init_weights(self) -> None:
        super().init_weights()
        if self.checkpoint is not None:
            published = self.front_end.published
            content = read_checkpoint(self.checkpoint, published=published)
            state = htsat_state(content, path=self.checkpoint, published=published)
            derived = {name: value for name, value in self.tower.state_dict().items() if name.endswith(HTSAT_CONSTANTS)}
            load_strict(self.tower, {**derived, **state}, path=self.checkpoint, published=published)

    def train(self, mode: bool = True) -> 'HTSAT':
        return super().train(mode and not self.frozen)

    def forward(self, waveform: Sequence[Tensor], sample_rate: Sequence[int], clip_index: Tensor) -> Tensor:
        """Waveforms of B clips, each (L,) or stereo (2, L), which is averaged, with rates in Hz and (N,) → (N,
        embed_dims).

        Raises:
            ValueError: a waveform has another rate than the front end, or less than one second per frame.
        """
        windows = self.cut(waveform, sample_rate, clip_index)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self._embed(windows.repeat(1, self.front_end.tile_seconds))

    def cut(self, waveform: Sequence[Tensor], sample_rate: Sequence[int], clip_index: Tensor) -> Tensor:
        """As :meth:`forward`, to the samples that each frame hears: (N, sample_rate)."""
        second = self.front_end.sample_rate
        windows = []
        counts = torch.bincount(clip_index, minlength=len(waveform)).tolist()
        for clip, (samples, rate, frames) in enumerate(zip(waveform, sample_rate, counts, strict=True)):
            if rate != second:
                raise ValueError(f'clip {clip} of the batch: waveform at {rate} Hz; this HTSAT expects {second} Hz '
                                 f'(LoadAudio(sample_rate={second}))')
            if samples.shape[-1] < frames * second:
                raise ValueError(f'clip {clip} of the batch: {samples.shape[-1] / rate:.2f} s of sound for {frames} '
                                 'frames; expected 1 s each (add FitWaveform to the pipeline)')
            mono = samples.mean(dim=0) if samples.ndim == 2 else samples
            windows.append(mono[:frames * second].unflatten(0, (frames, second)))
        return torch.cat(windows)

    def _embed(self, samples: Tensor) -> Tensor:
        tower = self.tower
        with torch.autocast(samples.device.type, enabled=False):  # a spectrogram in bfloat16 is mostly rounding
            x = tower.logmel_extractor(tower.spectrogram_extractor(samples.float()))  # (N, 1, windows, mels)
        x = tower.bn0(x.transpose(1, 3)).transpose(1, 3)
        x = tower.patch_embed(tower.reshape_wav2img(x))
        for layer in tower.layers:
            for block in layer.blocks:  # a layer's own forward would also stack and average all attention maps
                x, _ = block(x)
            if layer.downsample is not None:
                x = layer.downsample(x)
        return tower.norm(x).mean(dim=1)  # (N, tokens, C) -> (N, C)


def htsat_state(content: Mapping, *, path: str, published: str) -> dict[str, Tensor]:
    """The HTS-AT tensors of a checkpoint under their bare names, without the classifier.

    Args:
        content: a state_dict, or one below ``state_dict``.
        path, published: the file, and what it should be, for the error message.

    Raises:
        CheckpointMismatchError: the file holds no HTS-AT, or several.
    """
    state = content.get('state_dict', content)
    prefixes = [name[:-len(_ANCHOR)] for name in state if name.endswith(_ANCHOR)]
    if len(prefixes) != 1:
        raise CheckpointMismatchError(f'{path}: {len(prefixes)} keys end in {_ANCHOR!r}, expected the 1 of an HTS-AT; '
                                      f'the first keys are {sorted(map(str, state))[:3]}. Expected {published}')
    bare = {name[len(prefixes[0]):]: value for name, value in state.items() if name.startswith(prefixes[0])}
    return {name: value for name, value in bare.items() if not name.startswith(_CLASSIFIER)}
