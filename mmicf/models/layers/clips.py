"""Regrouping packed frames by clip.

Frames travel packed: (N, ...) with ``clip_index`` (N,) non-decreasing. Temporal modules work on groups of clips of equal
length, so a clip never meets padding and its result cannot depend on which clips share its batch.
"""
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def clip_lengths(clip_index: Tensor) -> list[int]:
    """(N,) → T of every clip of the batch, in order.

    Raises:
        ValueError: if the frames of a clip are not contiguous.
    """
    if clip_index.numel() == 0:
        return []
    clips, lengths = torch.unique_consecutive(clip_index, return_counts=True)
    if clips.numel() != int(clip_index.max()) + 1:
        raise ValueError(f'clip_index must count the clips 0, 1, ... in contiguous runs, got {clip_index.tolist()}')
    return lengths.tolist()


def clips_by_length(clip_index: Tensor) -> list[Tensor]:
    """(N,) → for each distinct T a (b, T) index of packed frames; together they cover every frame once."""
    lengths = clip_lengths(clip_index)
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    groups = []
    for t in sorted(set(lengths)):
        first = torch.tensor([s for s, n in zip(starts, lengths, strict=True) if n == t], device=clip_index.device)
        groups.append(first[:, None] + torch.arange(t, device=clip_index.device))
    return groups


def apply_per_clip(function, x: Tensor, groups: list[Tensor]) -> Tensor:
    """Calls ``function`` on (b, T, ...) for each group of equal-length clips; returns the result packed, (N, ...)."""
    if len(groups) == 1 and groups[0].numel() == x.shape[0]:  # equal lengths: packed order is already (b, T)
        return function(x.unflatten(0, groups[0].shape)).flatten(0, 1)
    parts = torch.cat([function(x[index]).flatten(0, 1) for index in groups])
    order = torch.cat([index.flatten() for index in groups])
    out = torch.empty_like(parts)
    out[order] = parts
    return out


def clip_mean(x: Tensor, clip_index: Tensor) -> Tensor:
    """(N, ...) → (B, ...), the mean over each clip's frames."""
    lengths = clip_lengths(clip_index)
    total = x.new_zeros(len(lengths), *x.shape[1:]).index_add(0, clip_index, x)
    return total / x.new_tensor(lengths).view(-1, *[1] * (x.dim() - 1))


def frames_by_clip(x: Tensor, clip_index: Tensor) -> tuple[Tensor, Tensor]:
    """Packed (N, d) → (B, T, d), zero behind a clip's last frame, and bool (B, T), True on frames."""
    lengths = clip_lengths(clip_index)
    padded = pad_sequence(x.split(lengths), batch_first=True)
    valid = torch.arange(padded.shape[1], device=x.device) < torch.tensor(lengths, device=x.device)[:, None]
    return padded, valid


def split_clips(clip_index: Tensor, num_frames: int | None) -> Tensor:
    """``clip_index`` (N,) with every clip cut into runs of ``num_frames`` frames (the last may be shorter); None: as it is."""
    if num_frames is None:
        return clip_index
    lengths = [min(num_frames, n - start) for n in clip_lengths(clip_index) for start in range(0, n, num_frames)]
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).to(clip_index.device)
