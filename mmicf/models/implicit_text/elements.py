"""The elements of a clip that get a text each: the whole video, its segments, its frames (N_p of Eq. 4)."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..layers import clip_lengths
from ..necks import segment_starts

LEVELS = ('video', 'segment', 'frame')


class ClipElements(NamedTuple):
    """How the elements of a batch are made from its N frames.

    Attributes:
        pool: per level (M_p, N), rows that average an element's frames; M_p elements of that level in the batch, clip by clip.
        slots: per level int64 (M_p, 2), the clip and the place 0..P-1 of each element in the padded (B, P) layout.
        valid: bool (B, P), P = the largest number of elements of a clip.
    """
    pool: dict[str, Tensor]
    slots: dict[str, Tensor]
    valid: Tensor

    def scatter(self, rows: dict[str, Tensor]) -> Tensor:
        """Per level (M_p, d) → (B, P, d), zero in padding."""
        values = torch.cat([rows[level] for level in self.slots])
        index = torch.cat(list(self.slots.values()))
        out = values.new_zeros(*self.valid.shape, values.shape[-1])
        return out.index_put((index[:, 0], index[:, 1]), values)


def clip_elements(clip_index: Tensor, num_segments: int, levels: Sequence[str] = LEVELS) -> ClipElements:
    """Elements of the given levels for packed frames with ``clip_index`` (N,), in the windows of :func:`segment_starts`."""
    device, num_frames = clip_index.device, clip_index.shape[0]
    frames: dict[str, list[range]] = {level: [] for level in levels}
    slots: dict[str, list[tuple[int, int]]] = {level: [] for level in levels}
    counts, first = [], 0
    for clip, length in enumerate(clip_lengths(clip_index)):
        starts, window = segment_starts(length, num_segments)
        spans = {
            'video': [range(first, first + length)],
            'segment': [range(first + s, first + s + window) for s in starts],
            'frame': [range(t, t + 1) for t in range(first, first + length)]
        }
        place = 0
        for level in levels:
            frames[level] += spans[level]
            slots[level] += [(clip, place + i) for i in range(len(spans[level]))]
            place += len(spans[level])
        counts.append(place)
        first += length
    pool = {}
    for level, spans in frames.items():
        rows = torch.zeros(len(spans), num_frames)
        for row, span in zip(rows, spans, strict=True):
            row[span.start:span.stop] = 1 / len(span)
        pool[level] = rows.to(device)
    places = torch.arange(max(counts), device=device)
    return ClipElements(pool, {level: torch.tensor(s, device=device) for level, s in slots.items()},
                        places < torch.tensor(counts, device=device)[:, None])
