#!/usr/bin/env python
"""Does the audio embedding say what was heard, or what was seen? V→A retrieval on held-out clips with true and shuffled sound.

Both embeddings of ICF's contrast have attended to the picture, so the contrast could be met by vision alone. Here the visual
embedding of each clip, made with its true sound, looks for the clip's audio embedding among those of all clips, by the Wasserstein
distance that CDCL uses. Where the audio embeddings are made with the sounds exchanged between clips, one that says what was heard
can no longer be found (chance: 1 of the number of clips); one that carries the picture still is.
"""
import argparse

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from mmicf.models.layers import frames_by_clip
from mmicf.models.losses import gaussian_w2
from mmicf.utils.text_table import table
from mmicf.utils.trained_model import batches_of, load_trained, require_parts, split_loader


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='an ICF config with a contrast')
    parser.add_argument('checkpoint', help='of training (a published one has no ICF in it)')
    parser.add_argument('--split', default='test')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--data-root', help="in place of the config's")
    return parser.parse_args()


@torch.no_grad()
def embeddings(model, loader) -> tuple[list[Tensor], list[Tensor]]:
    """Unit rows of the visual and the audio embedding of each clip, (T, D)."""
    visual, audio = [], []
    for data in batches_of(model, loader):
        inputs = data['inputs']
        v, a = model.decode_head.embed(model.decode_head(model.extract_feat(inputs)))
        for rows, out in ((model.icf.visual_proj(v), visual), (model.icf.audio_proj(a), audio)):
            padded, valid = frames_by_clip(F.normalize(rows, dim=-1), inputs.clip_index)
            out += [clip[keep] for clip, keep in zip(padded, valid, strict=True)]
    return visual, audio


def recall_at_one(visual: list[Tensor], audio: list[Tensor]) -> float:
    """Share of clips, ×100, whose own audio embedding is the nearest."""
    hits = 0
    for i, rows in enumerate(visual):
        distance = torch.stack([gaussian_w2(rows, other) for other in audio])
        hits += int(distance.argmin() == i)
    return 100 * hits / len(visual)


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.data_root:
        cfg.test_dataloader.dataset.data_root = args.data_root
    model = load_trained(cfg, args.checkpoint)
    require_parts(model, args.config, 'extract_maps', 'decode_head.embed', 'icf.contrast')
    visual, audio = embeddings(model, split_loader(cfg, args.split, args.batch_size))
    _, exchanged = embeddings(model, split_loader(cfg, args.split, args.batch_size, 0))
    rows = [[name, f'{recall_at_one(visual, other):.1f}', f'{100 / len(visual):.1f}']
            for name, other in (('true sound', audio), ('sound shuffled between clips', exchanged))]
    print(f"\naudio_embed='{model.decode_head.audio_embed_kind}', {args.split} split")
    print(table(['V→A retrieval', 'R@1 %', 'chance %'], rows))


if __name__ == '__main__':
    main()
