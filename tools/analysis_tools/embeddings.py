#!/usr/bin/env python
"""What models' embeddings of frames know about the class that sounds: a linear probe, and a t-SNE picture (as in DDESeg's
Figure 6 and ICF's Figure 3).

    python tools/analysis_tools/embeddings.py CONFIG CHECKPOINT --kind audio --out work_dirs/embeddings
    python tools/analysis_tools/embeddings.py --models NAME=CONFIG,CHECKPOINT NAME=CONFIG,CHECKPOINT

Several models get a panel each, of the same frames. Frames are labelled by their clip's ``category``; clips that name no class or
several are left out, so the set must be S4, AVSS or VPO, or MS3 with ``--categories``. The probe is a logistic regression on the
training split, scored on the test split; its chance is the share of the most frequent class.
"""
import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config

from mmicf.analysis.clip_categories import categories_file
from mmicf.analysis.compared_models import ComparedModel, add_models_argument, check_models
from mmicf.analysis.figure_file import new_figure, save_figure
from mmicf.datasets.offscreen import class_names, set_categories
from mmicf.utils.run_config import drop_training_parts
from mmicf.utils.trained_model import batches_of, load_trained, require_parts, split_loader

KINDS = ('audio', 'visual', 'audio-visual', 'audio_embed', 'visual_embed')


class Frames(NamedTuple):
    """Embeddings (n, d) of frames, their class names (n,) and clip ids (n,)."""
    rows: np.ndarray
    labels: np.ndarray
    clips: np.ndarray


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?')
    parser.add_argument('checkpoint', nargs='?')
    add_models_argument(parser, required=False)
    parser.add_argument('--kind', choices=KINDS, default='audio-visual',
                        help="'audio', 'visual': tokens and mean of the coarsest map before the head; '*_embed': behind it")
    parser.add_argument('--out', default='work_dirs/embeddings', help='folder for tsne.png and .pdf')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--perplexity', type=float, default=30.)
    parser.add_argument('--categories', help="class names of MS3's clips: AVSS's metadata.csv, or a json of clip_id to class names")
    parser.add_argument('--data-root', help="in place of the config's")
    args = parser.parse_args()
    if bool(args.models) == bool(args.checkpoint) or (args.models and args.config):
        parser.error('give either CONFIG CHECKPOINT or --models')
    if any(model.folder for model in args.models):
        parser.error('saved masks have no embeddings: --models takes NAME=CONFIG,CHECKPOINT')
    if not args.models:
        args.models = [ComparedModel(Path(args.config).stem, config=args.config, checkpoint=args.checkpoint)]
    return args


@torch.no_grad()
def frame_embeddings(model, inputs, kind: str) -> torch.Tensor:
    """(N, d) of a batch's frames."""
    if kind in ('audio_embed', 'visual_embed'):
        visual, audio = model.decode_head.embed(model(inputs))
        return audio if kind == 'audio_embed' else visual
    features = model.extract_feat(inputs)
    parts = {'audio': features.audio, 'visual': features.maps[-1].mean((2, 3))}
    return torch.cat([parts[name] for name in kind.split('-')], 1)


def collect(model, cfg: Config, split: str, args: argparse.Namespace) -> Frames:
    """The frames of a split's clips with one class.

    Raises:
        ValueError: no clip names exactly one class.
    """
    loader = split_loader(cfg, split, args.batch_size)
    infos = [loader.dataset.get_data_info(i) for i in range(len(loader.dataset))]
    if args.categories:
        set_categories(infos, args.categories)
    names = {info['clip_id']: class_names(info) for info in infos}
    rows, labels, clips = [], [], []
    for data in batches_of(model, loader):
        embedded = frame_embeddings(model, data['inputs'], args.kind)
        for k, sample in enumerate(data['data_samples']):
            found = names[sample.clip_id]
            if len(found) == 1:
                mine = embedded[data['inputs'].clip_index == k].cpu().numpy()
                rows.append(mine)
                labels += [next(iter(found))] * len(mine)
                clips += [sample.clip_id] * len(mine)
    if not rows:
        raise ValueError(f'no clip of split {split!r} names exactly one class; give --categories')
    return Frames(np.concatenate(rows), np.array(labels), np.array(clips))


def splits_of(source: ComparedModel, args: argparse.Namespace) -> tuple[Frames, Frames]:
    """Frames of the training and of the test split, as one model embeds them."""
    cfg = Config.fromfile(source.config)
    drop_training_parts(cfg)
    if args.data_root:
        cfg.test_dataloader.dataset.data_root = args.data_root
    model = load_trained(cfg, source.checkpoint)
    require_parts(model, source.config, 'extract_maps', *['decode_head.embed'] * args.kind.endswith('_embed'))
    return collect(model, cfg, 'train', args), collect(model, cfg, 'test', args)


def probe(train: Sequence, test: Sequence) -> tuple[float, float, float]:
    """Accuracy and macro F1 of a logistic regression on standardised embeddings, and the most frequent class's accuracy, ×100.

    Args:
        train, test: embeddings (n, d) and labels (n,).

    Raises:
        ValueError: the training frames show one class alone.
    """
    if len(found := set(map(str, train[1]))) < 2:
        raise ValueError(f'{len(train[1])} training frames show the classes {sorted(found)}, expected two at least to tell apart')
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(*train)
    most = Counter(train[1]).most_common(1)[0][0]
    macro = f1_score(test[1], model.predict(test[0]), average='macro')
    return 100 * model.score(*test), 100 * float(macro), 100 * float(np.mean(test[1] == most))


def draw(models: dict[str, Frames], perplexity: float, path: Path) -> list[Path]:
    """t-SNE of every model's embeddings of the same frames, a panel each and a colour per class; the png and pdf written."""
    from sklearn.manifold import TSNE
    figure = new_figure(1.5 + 5.5 * len(models), 6)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for axes, (title, frames) in zip(panels, models.items(), strict=True):
        perplexity = min(perplexity, (len(frames.rows) - 1) / 3)
        places = TSNE(perplexity=perplexity, init='pca', random_state=0).fit_transform(frames.rows)
        classes = sorted(set(frames.labels))
        for k, name in enumerate(classes):
            mine = frames.labels == name
            axes.scatter(*places[mine].T, s=12, marker='osD^v*PX'[k // 10 % 8], color=f'C{k % 10}', label=name)
        axes.set(xticks=[], yticks=[], title=title)
    panels[-1].legend(fontsize=7, ncols=1 + len(classes) // 25, loc='center left', bbox_to_anchor=(1, 0.5), frameon=False)
    return save_figure(figure, path)


def main() -> None:
    args = parse_args()
    check_models(args.models)
    args.categories = categories_file(args.categories, args.out)
    shown, lines = {}, []
    for source in args.models:
        train, test = splits_of(source, args)
        first = next(iter(shown.values()), test)
        if not np.array_equal(test.clips, first.clips):
            raise ValueError(f'{source.config}: found {len(test.clips)} test frames of other clips than the {len(first.clips)} of '
                             f'{args.models[0].config}; models are compared on the same ones')
        shown[f'{source.name}: {args.kind}'] = test
        accuracy, macro, chance = probe(train[:2], test[:2])
        lines.append(f'{source.name}: linear probe of {args.kind}, {len(set(train.labels))} classes, {len(train.labels)} training '
                     f'and {len(test.labels)} test frames: {accuracy:.2f} % (most frequent class: {chance:.2f} %), '
                     f'macro F1 {macro:.2f} %')
    print(*lines, sep='\n')
    print(*draw(shown, args.perplexity, Path(args.out) / 'tsne.png'), sep=', ')


if __name__ == '__main__':
    main()
