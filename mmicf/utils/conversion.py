"""Published tensors under our names, every one of them accounted for."""
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from .strict_loading import CheckpointMismatchError, some_names


class Conversion(NamedTuple):
    """``state``: tensors under our names; ``unused``: published names that have no place in our model, by intention."""
    state: dict[str, Tensor]
    unused: list[str]


def rename(state: Mapping[str, Tensor], name_of: Callable[[str], str | Sequence[str] | None]) -> Conversion:
    """Give every published tensor its name in our model.

    Args:
        state: published tensors.
        name_of: published name → ours; None or [] for a tensor that nothing reads; several names for a tensor that is cut into
            that many equal parts along its first dimension.

    Raises:
        ValueError: two tensors get one name, or a tensor does not divide.
    """
    out, unused = {}, []
    for name, value in state.items():
        names = name_of(name)
        names = [names] if isinstance(names, str) else list(names or ())
        if not names:
            unused.append(name)
            continue
        if len(names) > 1 and len(value) % len(names):
            raise ValueError(f'{name} of {tuple(value.shape)} does not divide into {len(names)} parts')
        for new, part in zip(names, value.chunk(len(names)) if len(names) > 1 else [value], strict=True):
            if new in out:
                raise ValueError(f'two published tensors become {new}; the second is {name}')
            out[new] = part
    return Conversion(out, unused)


def place(conversion: Conversion, own: Mapping[str, Tensor], *, path: str, what: str,
          may_miss: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The converted tensors in the shapes of our model.

    1×1 convolutions and linear layers hold the same numbers: trailing dimensions of size 1 are added or dropped.

    Args:
        conversion: of the file.
        own: the model's state_dict; only names and shapes are read.
        path, what: the file, and what it should be, for the error message.
        may_miss: prefixes of our names that the file need not hold.

    Raises:
        CheckpointMismatchError: a tensor of ours is not in the file, one of the file has no place, or shapes differ.
    """
    out, shapes = {}, []
    for name, value in conversion.state.items():
        if name in own:
            want = tuple(own[name].shape)
            if _bare(value.shape) == _bare(want):
                out[name] = value.reshape(want)
            else:
                shapes.append(f'{name}: found {tuple(value.shape)}, expected {want}')
    missing = [n for n in own if n not in conversion.state and not n.startswith(may_miss) and not n.endswith('num_batches_tracked')]
    extra = [n for n in conversion.state if n not in own]
    found = {'missing': missing, 'without a place': extra, 'of another shape': shapes}
    problems = [f'{len(names)} {kind}: {some_names(names)}' for kind, names in found.items() if names]
    if problems:
        raise CheckpointMismatchError(f'{path} is not {what} as the config builds it: {"; ".join(problems)}')
    return out


def _bare(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape without trailing ones."""
    shape = list(shape)
    while shape and shape[-1] == 1:
        shape.pop()
    return tuple(shape)
