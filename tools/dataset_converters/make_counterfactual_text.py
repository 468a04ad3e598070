"""Write the counterfactuals of two rows of ICF's Table 2 beforehand, for ``PrecomputedCounterfactual``.

    python tools/dataset_converters/make_counterfactual_text.py audio-replacement ms3 data/AVSBench/Multi-sources OUT.npz \\
        --anchors data/anchors/ms3
    python tools/dataset_converters/make_counterfactual_text.py text-revision s4 data/AVSBench/Single-source OUT.npz \\
        --clip pretrained/CLIP-ViT-B-32-laion2B-s34B-b79K.bin

Audio replacement: what if something else had sounded? For each clip the audio anchors (``cache_anchors.py``, mean over its frames)
of K clips with which it shares no class. Text revision: the clip's class name in "a video of a ..." is replaced by K others that
share no class with it, read by open_clip's text tower. Both draw from the seed and the clip's name alone. The paper says no more
about either; this is our reading. MS3 has no categories: there audio replacement takes any other clip, and text revision needs
``--categories``, a csv with clip_id and category.
"""
import argparse
import csv
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

from mmicf.datasets import AVSBenchMS3Dataset, AVSBenchS4Dataset, AVSBenchSemanticDataset
from mmicf.datasets.transforms.corruption import class_names
from mmicf.models.text_encoders import OpenCLIPTextEncoder

DATASETS = {'s4': AVSBenchS4Dataset, 'ms3': AVSBenchMS3Dataset, 'avss': AVSBenchSemanticDataset}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('strategy', choices=['audio-replacement', 'text-revision'])
    parser.add_argument('dataset', choices=list(DATASETS))
    parser.add_argument('data_root')
    parser.add_argument('out', help='npz file to write')
    parser.add_argument('--anchors', help='folder of cache_anchors.py, for audio replacement')
    parser.add_argument('--clip', help='open_clip file or tag, for text revision')
    parser.add_argument('--clip-model', default='ViT-B-32')
    parser.add_argument('--categories', help='csv with the columns clip_id and category')
    parser.add_argument('--num', type=int, default=8, help='K')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    if args.strategy == 'audio-replacement' and not args.anchors:
        parser.error('audio-replacement needs --anchors')
    if args.strategy == 'text-revision' and not args.clip:
        parser.error('text-revision needs --clip')
    return args


def clip_categories(dataset: str, data_root: str, table: str | None) -> dict[str, str | None]:
    """Category of each training clip (the only split that needs counterfactuals).

    Raises:
        ValueError: the table lacks a clip.
    """
    clips = DATASETS[dataset](data_root=data_root, split='train', verify=False)
    infos = [clips.get_data_info(i) for i in range(len(clips))]
    if table is None:
        return {info['clip_id']: info['category'] for info in infos}
    with open(table, newline='', encoding='utf-8') as file:
        named = {row['clip_id']: row['category'] for row in csv.DictReader(file)}
    missing = [info['clip_id'] for info in infos if info['clip_id'] not in named]
    if missing:
        raise ValueError(f'{table}: no category for {len(missing)} of {len(infos)} clips, the first is {missing[0]!r}')
    return {info['clip_id']: named[info['clip_id']] for info in infos}


def class_sets(categories: dict[str, str | None], dataset: str) -> dict[str | None, set[str]]:
    """Category → the classes it names: in AVSS several joined by underscores, elsewhere one."""
    subset = 'avss' if dataset == 'avss' else 's4'
    return {name: class_names(dict(subset=subset, category=name)) if name else set() for name in set(categories.values())}


def choose(pool: list[str], clip: str, seed: int, num: int) -> list[str]:
    """``num`` of a pool, each once before any twice, by the seed and the clip's name.

    Raises:
        ValueError: the pool is empty.
    """
    if not pool:
        raise ValueError(f'clip {clip!r}: nothing of another category to take its place')
    digest = hashlib.blake2b(f'{seed} {clip}'.encode(), digest_size=8).digest()
    order = np.random.default_rng(int.from_bytes(digest, 'big')).permutation(len(pool))
    return [pool[order[i % len(pool)]] for i in range(num)]


def audio_replacement(categories: dict, classes: dict, anchors: Path, seed: int, num: int) -> dict[str, np.ndarray]:
    """(K, d) audio anchors of other clips for each clip.

    Raises:
        FileNotFoundError: a clip's anchors are missing.
    """
    heard = {}
    for clip in categories:
        path = anchors / f'{clip}.npz'
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no anchors; tools/dataset_converters/cache_anchors.py --clap makes them')
        with np.load(path, allow_pickle=False) as file:
            heard[clip] = file['audio_anchor'].mean(0)
    out = {}
    for clip, category in categories.items():
        pool = [c for c, other in categories.items() if c != clip and not classes[other] & classes[category]]
        out[clip] = np.stack([heard[c] for c in choose(pool, clip, seed, num)])
    return out


@torch.no_grad()
def text_revision(categories: dict, classes: dict, joint: str, model: str, pretrained: str, seed: int,
                  num: int) -> dict[str, np.ndarray]:
    """(K, d) embeddings of sentences with another class name for each clip; ``joint`` is what the underscore of a name stands for.

    Raises:
        ValueError: a clip without a category.
    """
    import open_clip
    without = [clip for clip, category in categories.items() if not category]
    if without:
        raise ValueError(f'{len(without)} clips have no category, the first is {without[0]!r}; give --categories')
    names = sorted(set(categories.values()))
    sentences = [f'a video of a {name.replace("_", joint).replace("-", " ")}' for name in names]
    encoder = OpenCLIPTextEncoder(model=model, pretrained=pretrained)
    said = dict(zip(names, encoder.tower(open_clip.get_tokenizer(model)(sentences)).numpy(), strict=True))
    pools = {name: [other for other in names if not classes[other] & classes[name]] for name in names}
    return {clip: np.stack([said[n] for n in choose(pools[category], clip, seed, num)]) for clip, category in categories.items()}


def main() -> None:
    args = parse_args()
    categories = clip_categories(args.dataset, args.data_root, args.categories)
    classes = class_sets(categories, args.dataset)
    if args.strategy == 'audio-replacement':
        table = audio_replacement(categories, classes, Path(args.anchors), args.seed, args.num)
    else:
        joint = ' and a ' if args.dataset == 'avss' else ' '  # AVSS joins the classes of a clip by underscores, S4 the words of one
        table = text_revision(categories, classes, joint, args.clip_model, args.clip, args.seed, args.num)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    np.savez(args.out, **{clip: value.astype(np.float32) for clip, value in table.items()})
    print(f'{args.out}: {len(table)} clips, {next(iter(table.values())).shape} each')


if __name__ == '__main__':
    sys.exit(main())
