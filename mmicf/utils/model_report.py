"""What the analysis tools share: a model and a random batch from a config, and its parts."""
import argparse
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.registry import MODELS

from .complexity import count_flops
from .dummy_inputs import dummy_batch, packed_fields
from .model_parts import count_parameters, training_only_names
from .type_name import type_name


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say which model is measured on what."""
    parser.add_argument('config', help='config file; weights are random, no file of weights is read')
    parser.add_argument('--clips', type=int, default=1, help='clips in the batch')
    parser.add_argument('--frames', type=int, default=5, help='frames per clip')
    parser.add_argument('--size', type=int, default=224, help='height and width of frames, pixels')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key.subkey=value')


def load_config(args: argparse.Namespace) -> Config:
    """The config with its overrides; its default scope is active from here on.

    Raises:
        FileNotFoundError: no such config.
    """
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'no config at {args.config}')
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmicf'))
    # the optimizer constructor logs a line per parameter
    MMLogger.get_instance('analysis', log_level='WARNING')
    return cfg


def without_weights(part: object) -> object:
    """A copy of a model's config that reads no file of weights.

    ICF's frozen towers read theirs as they are built, and DDESeg's memory has no sounds before ``init_weights`` read its file;
    random ones cost the same.
    """
    if isinstance(part, (list, tuple)):
        return type(part)(without_weights(value) for value in part)
    if not isinstance(part, dict):
        return part
    out = {key: without_weights(value) for key, value in part.items()}
    out.update({key: None for key in ('checkpoint', 'pretrained') if isinstance(out.get(key), str)})
    if type_name(out) == 'SemanticMemory':
        out['path'] = 'random'
    return out


def build_model(cfg: Config, device: torch.device | str = 'cpu') -> nn.Module:
    """The config's model with random weights, in eval mode."""
    torch.manual_seed(0)
    return MODELS.build(without_weights(cfg.model)).to(device).eval()


def random_batch(cfg: Config, args: argparse.Namespace) -> dict:
    """A collated random batch with the fields that the config's test pipeline packs."""
    keys, rate = packed_fields(cfg.test_dataloader.dataset.pipeline)
    return dummy_batch(clips=args.clips, frames=args.frames, size=(args.size, args.size), keys=keys, sample_rate=rate,
                       num_classes=cfg.model.get('decode_head', {}).get('num_classes', 2))


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """The parts to report: the model's children, and those of the decode head that are networks themselves."""
    parts = {}
    for name, child in model.named_children():
        if name == 'data_preprocessor' or not any(True for _ in child.parameters()):
            continue
        parts[name] = child
        if name == 'decode_head':
            parts.update({f'{name}.{inner}': module for inner, module in child.named_children()
                          if any(True for _ in module.parameters())})
    return parts


def parameter_line(model: nn.Module) -> str:
    """Parameters in millions: total, trainable, and those of parts that only training uses."""
    total, trainable = count_parameters(model)
    extra = sum(count_parameters(getattr(model, name))[0] for name in training_only_names(model))
    return f'parameters: {total / 1e6:.2f} M, trainable {trainable / 1e6:.2f} M, training-only {extra / 1e6:.2f} M'


def forward_flops(model: nn.Module, batch: dict) -> dict[str, int]:
    """Operations of one prediction of a collated batch, whole and by module name."""
    data = model.data_preprocessor(batch, False)
    flops = count_flops(model, lambda: model(**data, mode='predict'))
    for name, part in model.named_children():
        if not flops.get(name):  # ICF is never called as a whole: its parts are
            flops[name] = sum(flops.get(f'{name}.{inner}', 0) for inner, _ in part.named_children())
    return flops
