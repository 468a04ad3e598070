"""Several models on one set: what the tools that compare them share.

A model is given as ``NAME=FOLDER``, a folder of saved masks, or as ``NAME=CONFIG,CHECKPOINT``, which is run.
"""
import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.utils import ProgressBar
from torch.utils.data import DataLoader, Subset

from mmicf.datasets import SETS
from mmicf.datasets.base import BaseAVDataset
from mmicf.registry import DATASETS
from mmicf.utils.run_config import drop_training_parts
from mmicf.utils.trained_model import load_trained

from .saved_masks import check_masks, saved_clip


class ComparedModel(NamedTuple):
    """A name, and either a folder of masks or a config with a checkpoint."""
    name: str
    folder: str | None = None
    config: str | None = None
    checkpoint: str | None = None


def parse_model(text: str) -> ComparedModel:
    """``NAME=FOLDER`` or ``NAME=CONFIG,CHECKPOINT``; a ``type`` for argparse.

    Raises:
        argparse.ArgumentTypeError: another form.
    """
    name, _, rest = text.partition('=')
    parts = rest.split(',')
    if not name or not all(parts) or len(parts) > 2:
        raise argparse.ArgumentTypeError(f'{text!r}: expected NAME=FOLDER (saved masks) or NAME=CONFIG,CHECKPOINT')
    return ComparedModel(name, folder=rest) if len(parts) == 1 else ComparedModel(name, config=parts[0], checkpoint=parts[1])


def check_models(models: Sequence[ComparedModel]) -> None:
    """Names differ and files exist, before anything is run.

    Raises:
        ValueError: two models have one name.
        FileNotFoundError: a folder, config or checkpoint is missing.
    """
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise ValueError(f'models need different names, got {names}')
    for model in models:
        if model.folder and not Path(model.folder).is_dir():
            raise FileNotFoundError(f'{model.name}: {model.folder}: no such folder of masks')
        for path in (model.config, model.checkpoint):
            if path and not Path(path).is_file():
                raise FileNotFoundError(f'{model.name}: {path}: no such file')


def add_set_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Arguments that name a set's split."""
    parser.add_argument('--dataset', required=required, choices=list(SETS))
    parser.add_argument('--root', required=required, help="the set's data_root")
    parser.add_argument('--split', default='test')
    parser.add_argument('--subset', default='ms', help='of VPO: ss, ms or msmi')


def add_models_argument(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument('--models', nargs='+' if required else '*', default=[], type=parse_model, required=required,
                        metavar='NAME=SOURCE', help='NAME=FOLDER of saved masks, or NAME=CONFIG,CHECKPOINT')


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that choose clips to look at."""
    parser.add_argument('--clips', nargs='+', metavar='ID', help='clip ids; by default --num clips evenly spaced over the split')
    parser.add_argument('--num', type=int, default=4)


def chosen_clips(dataset: BaseAVDataset, clips: Sequence[str] | None, num: int) -> list[int]:
    """Indices of named clips, or of ``num`` evenly spaced ones.

    Raises:
        ValueError: a clip that the split does not have, or ``num`` below 1.
    """
    if clips is None:
        if num < 1:
            raise ValueError(f'the number of clips must be at least 1, got {num}')
        return np.unique(np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(int)).tolist()
    places = {dataset.get_data_info(i)['clip_id']: i for i in range(len(dataset))}
    unknown = [clip for clip in clips if clip not in places]
    if unknown:
        raise ValueError(f'{dataset.data_root}: split {dataset.split!r} has no clip {unknown[0]!r}; it has {list(places)[:5]} ...')
    return [places[clip] for clip in clips]


def build_set(args: argparse.Namespace) -> BaseAVDataset:
    """The clips that :func:`add_set_arguments` names, without a pipeline."""
    init_default_scope('mmicf')
    options = dict(subset=args.subset) if args.dataset == 'vpo' else {}
    dataset = SETS[args.dataset](data_root=args.root, split=args.split, test_mode=True, **options)
    dataset.full_init()
    return dataset


def predictions(model: ComparedModel, dataset: BaseAVDataset, indices: Sequence[int] | None = None,
                size: tuple[int, int] | None = None) -> Iterator[dict]:
    """A model's clips as metrics receive them, in order.

    Args:
        model: saved masks, or a config with a checkpoint; the latter runs through its own test pipeline, clip by clip.
        dataset: the set of :func:`build_set`.
        indices: of clips; None is all.
        size: (H, W) at which saved masks are compared; None is the ground truth's.

    Raises:
        FileNotFoundError: saved masks are missing.
        ValueError: the config tests on another kind of set.
    """
    indices = range(len(dataset)) if indices is None else indices
    bar = ProgressBar(len(indices))
    for sample in _saved(model, dataset, indices, size) if model.folder else _predicted(model, dataset, indices):
        bar.update()
        yield sample
    print()


def _saved(model: ComparedModel, dataset: BaseAVDataset, indices: Sequence[int], size: tuple[int, int] | None) -> Iterator[dict]:
    clips = [dataset.get_data_info(i) for i in indices]
    named = check_masks(model.folder, clips)  # names all that is missing before any is read
    print(f'\n{model.name}: masks are named {named}')
    for i, clip in zip(indices, clips, strict=True):
        yield saved_clip(model.folder, clip, i, size)


@torch.no_grad()
def _predicted(model: ComparedModel, dataset: BaseAVDataset, indices: Sequence[int]) -> Iterator[dict]:
    cfg = Config.fromfile(model.config)
    drop_training_parts(cfg)
    own = dict(cfg.test_dataloader.dataset, data_root=dataset.data_root, split=dataset.split)
    if hasattr(dataset, 'subset'):
        own['subset'] = dataset.subset
    net = load_trained(cfg, model.checkpoint)
    shown = DATASETS.build(own)
    if type(shown) is not type(dataset):
        raise ValueError(f'{model.config} tests on {type(shown).__name__}, expected {type(dataset).__name__}')
    for batch in DataLoader(Subset(shown, indices), collate_fn=pseudo_collate):
        data = net.data_preprocessor(batch, False)
        sample, = net(**data, mode='predict')
        yield sample.cpu().to_dict()
