#!/usr/bin/env python
"""What a model's embeddings of frames know about the class that sounds: a linear probe, and a t-SNE picture (as in DDESeg's
Figure 6 and ICF's Figure 3).

    python tools/analysis_tools/embeddings.py CONFIG CHECKPOINT --kind audio --out work_dirs/embeddings

Frames are labelled by their clip's ``category``; clips that name no class or several are left out, so the set must be S4, AVSS or
VPO, or MS3 with ``--categories``. The probe is a logistic regression on the training split, scored
on the test split; its chance is the share of the most frequent class.
"""
import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.config import Config

from mmicf.analysis.clip_categories import categories_file
from mmicf.datasets.offscreen import set_categories
from mmicf.datasets.transforms.corruption import class_names
from mmicf.utils.setup_env import drop_training_parts
from mmicf.utils.trained_model import batches_of, load_trained, require_parts, split_loader

KINDS = ('audio', 'visual', 'audio-visual', 'audio_embed', 'visual_embed')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--kind', choices=KINDS, default='audio-visual',
                        help="'audio', 'visual': tokens and mean of the coarsest map before the head; '*_embed': behind it")
    parser.add_argument('--out', default='work_dirs/embeddings', help='folder for tsne.png and .pdf')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--perplexity', type=float, default=30.)
    parser.add_argument('--categories', help="class names of MS3's clips: AVSS's metadata.csv, or a json of clip_id to class names")
    parser.add_argument('--data-root', help="in place of the config's")
    return parser.parse_args()


@torch.no_grad()
def frame_embeddings(model, inputs, kind: str) -> torch.Tensor:
    """(N, d) of a batch's frames."""
    features = model.extract_feat(inputs)
    if kind in ('audio_embed', 'visual_embed'):
        visual, audio = model.decode_head.embed(model.decode_head(features))
        return audio if kind == 'audio_embed' else visual
    parts = {'audio': features.audio, 'visual': features.maps[-1].mean((2, 3))}
    return torch.cat([parts[name] for name in kind.split('-')], 1)


def collect(model, cfg: Config, split: str, args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, d) of the frames of clips with one class, and the class names (n,).

    Raises:
        ValueError: no clip names exactly one class.
    """
    loader = split_loader(cfg, split, args.batch_size)
    infos = [loader.dataset.get_data_info(i) for i in range(len(loader.dataset))]
    if args.categories:
        set_categories(infos, args.categories)
    names = {info['clip_id']: class_names(info) for info in infos}
    rows, labels = [], []
    for data in batches_of(model, loader):
        embedded = frame_embeddings(model, data['inputs'], args.kind)
        for k, sample in enumerate(data['data_samples']):
            found = names[sample.clip_id]
            if len(found) == 1:
                mine = embedded[data['inputs'].clip_index == k].cpu().numpy()
                rows.append(mine)
                labels += [next(iter(found))] * len(mine)
    if not rows:
        raise ValueError(f'no clip of split {split!r} names exactly one class; give --categories')
    return np.concatenate(rows), np.array(labels)


def probe(train: tuple, test: tuple) -> tuple[float, float]:
    """Accuracy of a logistic regression on standardised embeddings, ×100, and that of the most frequent class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(*train)
    most = Counter(train[1]).most_common(1)[0][0]
    return 100 * model.score(*test), 100 * float(np.mean(test[1] == most))


def draw(rows: np.ndarray, labels: np.ndarray, perplexity: float, title: str, path: Path) -> None:
    """t-SNE of the embeddings, a colour per class, as png and pdf."""
    from sklearn.manifold import TSNE
    places = TSNE(perplexity=min(perplexity, (len(rows) - 1) / 3), init='pca', random_state=0).fit_transform(rows)
    figure = Figure(figsize=(7, 6), layout='constrained')
    axes = figure.subplots()
    classes = sorted(set(labels))
    for k, name in enumerate(classes):
        mine = labels == name
        axes.scatter(*places[mine].T, s=12, marker='osD^v*PX'[k // 10 % 8], color=f'C{k % 10}', label=name)
    axes.set(xticks=[], yticks=[], title=title)
    axes.legend(fontsize=7, ncols=1 + len(classes) // 25, loc='center left', bbox_to_anchor=(1, 0.5), frameon=False)
    FigureCanvasAgg(figure)
    for suffix in ('.png', '.pdf'):
        figure.savefig(path.with_suffix(suffix), dpi=150)


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    drop_training_parts(cfg)
    if args.data_root:
        cfg.test_dataloader.dataset.data_root = args.data_root
    model = load_trained(cfg, args.checkpoint)
    require_parts(model, args.config, 'extract_audio', *['decode_head.embed'] * args.kind.endswith('_embed'))
    args.categories = categories_file(args.categories, args.out)
    train, test = (collect(model, cfg, split, args) for split in ('train', 'test'))
    accuracy, chance = probe(train, test)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    draw(*test, args.perplexity, f'{Path(args.config).stem}: {args.kind}', out / 'tsne.png')
    print(f'linear probe of {args.kind}, {len(set(train[1]))} classes, {len(train[1])} training and {len(test[1])} test frames: '
          f'{accuracy:.2f} % (most frequent class: {chance:.2f} %)')
    print(f'{out}/tsne.png, .pdf')


if __name__ == '__main__':
    main()
