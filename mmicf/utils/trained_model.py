"""A trained model and its data, for the analysis tools."""
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.data import DataLoader

from mmicf.registry import DATASETS, MODELS

from .checkpoint import check_keys, model_state, read_run_checkpoint
from .heap import keep_freed_memory


def load_trained(cfg: Config, checkpoint: str) -> nn.Module:
    """The config's model with a checkpoint's weights, training-only parts included, in eval mode on the GPU, if there is one.

    Raises:
        FileNotFoundError, CheckpointMismatchError: no such file, or a tensor of the model is not in it.
    """
    keep_freed_memory()
    init_default_scope(cfg.get('default_scope', 'mmicf'))
    model = MODELS.build(cfg.model)
    content = read_run_checkpoint(checkpoint)
    check_keys(model, content, checkpoint, strict=True)
    model.load_state_dict(model_state(content), strict=False)
    return model.to(get_device()).eval()


def require_parts(model: nn.Module, config: str, *parts: str) -> None:
    """The model has the parts that a tool reads.

    Args:
        model: built from ``config``.
        config: its path, for the message.
        parts: dotted names, such as 'icf.contrast'.

    Raises:
        ValueError: one of them is missing or None.
    """
    lacks = []
    for part in parts:
        found = model
        for name in part.split('.'):
            found = getattr(found, name, None)
        if found is None:
            lacks.append(part)
    if lacks:
        head = getattr(model, 'decode_head', None)
        raise ValueError(f'{config}: found {type(model).__name__} with {type(head).__name__} and no {" and no ".join(lacks)}; '
                         f'this tool reads {", ".join(parts)}')


def split_loader(cfg: Config, split: str, batch_size: int, shuffle_audio: int | None = None) -> DataLoader:
    """The config's test loader, in order and without random changes, on another split ('train', 'val', 'test')."""
    dataset = dict(cfg.test_dataloader.dataset, split=split, shuffle_audio=shuffle_audio)
    return DataLoader(DATASETS.build(dataset), batch_size, num_workers=cfg.test_dataloader.get('num_workers', 0),
                      collate_fn=pseudo_collate)


def batches_of(model: nn.Module, loader: DataLoader):
    """Preprocessed batches, as the model's ``loss`` takes them."""
    with torch.no_grad():
        for batch in loader:
            yield model.data_preprocessor(batch, False)
