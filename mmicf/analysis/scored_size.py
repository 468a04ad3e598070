"""The size at which masks are compared with the ground truth, so that all models of one table have the same."""
from collections.abc import Sequence

from mmengine.config import Config

from mmicf.utils.type_name import type_name

from .compared_models import ComparedModel


def pipeline_size(pipeline: Sequence[dict]) -> tuple[int, int] | None:
    """(H, W) to which a test pipeline brings the ground truth; None where it stays as it is.

    Raises:
        ValueError: it changes the masks in another way than by a resize to one size.
    """
    names = [type_name(step) for step in pipeline]
    behind = pipeline[names.index('LoadMasks') + 1:] if 'LoadMasks' in names else pipeline
    moves = [step for step in behind if type_name(step).startswith('Clip')]
    if not moves:
        return None
    if len(moves) > 1 or type_name(moves[0]) != 'ClipResize' or 'size' not in moves[0]:
        raise ValueError(f'found {[dict(step) for step in moves]} behind LoadMasks in the test pipeline, expected one '
                         'ClipResize(size=) at most, for saved masks to be compared at its size (eval_predictions.py: give '
                         '--size in place of --config)')
    return tuple(moves[0]['size'])


def saved_masks_size(models: Sequence[ComparedModel]) -> tuple[int, int] | None:
    """(H, W) at which saved masks are compared beside models that are run: that of their test pipelines.

    Args:
        models: of one table.

    Returns:
        None for the ground truth's own size; also without models that are run, or without saved masks.

    Raises:
        ValueError: saved masks beside models that are tested at different sizes, or as :func:`pipeline_size`.
    """
    if not any(model.folder for model in models):
        return None
    sizes = {model.name: pipeline_size(Config.fromfile(model.config).test_dataloader.dataset.pipeline)
             for model in models if model.config}
    if len(set(sizes.values())) > 1:
        found = ', '.join(f'{name} at {size_text(size)}' for name, size in sizes.items())
        raise ValueError(f'saved masks can be compared at one size, but the models are tested {found}; make a table of each')
    return next(iter(sizes.values()), None)


def size_text(size: tuple[int, int] | None) -> str:
    """For people."""
    return f'{size[0]}x{size[1]} pixels' if size else 'the size of the ground truth'
