"""Write the counterfactuals of two rows of ICF's Table 2 beforehand, for ``PrecomputedCounterfactual``.

    python tools/dataset_converters/make_counterfactual_text.py audio-replacement ms3 data/AVSBench/Multi-sources OUT.npz \\
        --anchors data/anchors/ms3 --categories data/AVSBench/AVSS/metadata.csv
    python tools/dataset_converters/make_counterfactual_text.py text-revision s4 data/AVSBench/Single-source OUT.npz \\
        --clip pretrained/CLIP-ViT-B-32-laion2B-s34B-b79K.bin

Audio replacement: what if something else had sounded? For each clip the audio anchors (``cache_anchors.py``, mean over its frames)
of K clips with which it shares no class. Text revision: the clip's classes in "a video of a ..." are replaced by those of K others
that share none with it, read by open_clip's text tower. Both draw from the seed and the clip's name alone. The paper says no more
about either; this is our reading. MS3 names no classes: text revision needs ``--categories`` there, and audio replacement without
it takes any other clip.
"""
import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

from mmicf.analysis.clip_categories import categories_file
from mmicf.datasets import SETS
from mmicf.datasets.offscreen import class_names
from mmicf.models.text_encoders import OpenCLIPTextEncoder


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('strategy', choices=['audio-replacement', 'text-revision'])
    parser.add_argument('dataset', choices=['s4', 'ms3', 'avss'])
    parser.add_argument('data_root')
    parser.add_argument('out', help='npz file to write')
    parser.add_argument('--anchors', help='folder of cache_anchors.py, for audio replacement')
    parser.add_argument('--clip', help='open_clip file or tag, for text revision')
    parser.add_argument('--clip-model', default='ViT-B-32')
    parser.add_argument('--categories', help="class names of MS3's clips: AVSS's metadata.csv, or a json of clip_id to class names")
    parser.add_argument('--num', type=int, default=8, help='K')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    if args.strategy == 'audio-replacement' and not args.anchors:
        parser.error('audio-replacement needs --anchors')
    if args.strategy == 'text-revision' and not args.clip:
        parser.error('text-revision needs --clip')
    return args


def clip_classes(dataset: str, data_root: str, categories: str | None) -> dict[str, frozenset[str]]:
    """The classes that each training clip names (the only split that needs counterfactuals), by clip_id.

    Raises:
        FileNotFoundError, ValueError: no such json ``categories``, or one that lacks a clip.
    """
    clips = SETS[dataset](data_root=data_root, split='train', verify=False, categories=categories)
    infos = [clips.get_data_info(i) for i in range(len(clips))]
    return {info['clip_id']: frozenset(class_names(info)) for info in infos}


def choose(pool: list, clip: str, seed: int, num: int) -> list:
    """``num`` of a pool, each once before any twice, by the seed and the clip's name.

    Raises:
        ValueError: the pool is empty.
    """
    if not pool:
        raise ValueError(f'clip {clip!r}: nothing that shares no class with it to take its place')
    digest = hashlib.blake2b(f'{seed} {clip}'.encode(), digest_size=8).digest()
    order = np.random.default_rng(int.from_bytes(digest, 'big')).permutation(len(pool))
    return [pool[order[i % len(pool)]] for i in range(num)]


def audio_replacement(classes: dict[str, frozenset[str]], anchors: Path, seed: int, num: int) -> dict[str, np.ndarray]:
    """(K, d) audio anchors of other clips for each clip.

    Raises:
        FileNotFoundError: a clip's anchors are missing.
    """
    heard = {}
    for clip in classes:
        path = anchors / f'{clip}.npz'
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no anchors; tools/dataset_converters/cache_anchors.py --clap makes them')
        with np.load(path, allow_pickle=False) as file:
            heard[clip] = file['audio_anchor'].mean(0)
    out = {}
    for clip, own in classes.items():
        pool = [other for other, named in classes.items() if other != clip and own.isdisjoint(named)]
        out[clip] = np.stack([heard[c] for c in choose(pool, clip, seed, num)])
    return out


def sentence(names: frozenset[str]) -> str:
    """What a video of these classes is said to show."""
    return 'a video of a ' + ' and a '.join(name.replace('_', ' ').replace('-', ' ') for name in sorted(names))


@torch.no_grad()
def text_revision(classes: dict[str, frozenset[str]], model: str, pretrained: str, seed: int, num: int) -> dict[str, np.ndarray]:
    """(K, d) embeddings of sentences with other classes for each clip.

    Raises:
        ValueError: no clip names a class.
    """
    import open_clip
    named = sorted({own for own in classes.values() if own}, key=sorted)
    if not named:
        raise ValueError(f'none of {len(classes)} clips names a class; give --categories')
    encoder = OpenCLIPTextEncoder(model=model, pretrained=pretrained)
    said = encoder.tower(open_clip.get_tokenizer(model)([sentence(names) for names in named])).numpy()
    out = {}
    for clip, own in classes.items():
        pool = [i for i, names in enumerate(named) if own.isdisjoint(names)]
        out[clip] = said[choose(pool, clip, seed, num)]
    return out


def main() -> None:
    args = parse_args()
    out = Path(args.out)
    classes = clip_classes(args.dataset, args.data_root, categories_file(args.categories, out.parent))
    if args.strategy == 'audio-replacement':
        table = audio_replacement(classes, Path(args.anchors), args.seed, args.num)
    else:
        table = text_revision(classes, args.clip_model, args.clip, args.seed, args.num)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, **{clip: value.astype(np.float32) for clip, value in table.items()})
    print(f'{out}: {len(table)} clips, {next(iter(table.values())).shape} each')


if __name__ == '__main__':
    sys.exit(main())
