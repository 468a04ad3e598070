#!/usr/bin/env python
"""Where a model looks (ICF, Figure 6): attention of its queries on the frames, and its maps before and after the sound joins.

    python tools/analysis_tools/attention_maps.py CONFIG CHECKPOINT --sounds true shuffled silent --out work_dirs/attention

Per clip one picture, {clip_id}.png and .pdf; below the frames with their ground truth, for each sound:

- queries: attention in the decoder's masked cross-attention, mean over heads, weighted by each query's probability of a sounding
  class, mean over layers (``--per-layer``: each layer, too); 1 is the mean over the frame. Models with such a decoder only.
- audio token: the same of the token that carries the frame's sound and that no mask restricts (ICF's decoder).
- before, after: how far each pixel's feature lies from the clip's mean feature, before and after the module in which sound reaches
  the map (``--fusion``; the first by default), 1 is the clip's mean.

The green outline is the prediction with that sound.
"""
import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate

from mmicf.analysis.attention_record import LookedAt, fusion_names, look
from mmicf.analysis.compared_models import add_clip_arguments, chosen_clips
from mmicf.analysis.figure_file import save_figure
from mmicf.analysis.map_grid import MapRow, draw_map_grid
from mmicf.datasets.base import BaseAVDataset
from mmicf.registry import DATASETS
from mmicf.utils.run_config import drop_training_parts, silent_pipeline
from mmicf.utils.trained_model import load_trained


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--sounds', nargs='+', choices=['true', 'shuffled', 'silent'], default=['true'])
    add_clip_arguments(parser)
    parser.add_argument('--split', default='test')
    parser.add_argument('--per-layer', action='store_true', help='a row for each decoder layer, too')
    parser.add_argument('--fusion', help='name of the module whose maps are shown before and after; the first by default')
    parser.add_argument('--seed', type=int, default=0, help='of the shuffle')
    parser.add_argument('--out', default='work_dirs/attention_maps')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key.subkey=value')
    return parser.parse_args()


def heard_as(cfg: Config, split: str, sound: str, seed: int) -> BaseAVDataset:
    """The config's test set with its true sounds, with those of other clips, or with silence."""
    own = dict(cfg.test_dataloader.dataset, split=split)
    if sound == 'shuffled':
        own['shuffle_audio'] = seed
    if sound == 'silent':
        own['pipeline'] = silent_pipeline(own['pipeline'])
    return DATASETS.build(own)


def rows_of(sound: str, seen: LookedAt, outlines: np.ndarray, per_layer: bool, before: bool) -> list[MapRow]:
    """The picture's rows of one sound; with the features before it joins, or without."""
    out = []
    for name, layers in (('queries', seen.queries), ('audio token', seen.token)):
        if layers:
            size = [max(x.shape[i] for x in layers) for i in (1, 2)]
            same = [F.interpolate(x[:, None], size=size, mode='bilinear', align_corners=False)[:, 0] for x in layers]
            out.append((f'{name},\nmean of layers', torch.stack(same).mean(0), name))
            if per_layer:
                out += [(f'{name},\nlayer {i + 1} ({x.shape[1]}×{x.shape[2]})', x, name) for i, x in enumerate(layers)]
    out += [('features before\nthe sound joins', seen.before, 'features')] * before + [('features after', seen.after, 'features')]
    return [MapRow(f'{sound} sound\n{title}', maps.float().cpu().numpy(), outlines, scale) for title, maps, scale in out]


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    drop_training_parts(cfg)
    model = load_trained(cfg, args.checkpoint)
    sets = {sound: heard_as(cfg, args.split, sound, args.seed) for sound in args.sounds}
    first = sets[args.sounds[0]]
    names = fusion_names(model)
    fusion = args.fusion or names[0]
    if fusion not in names:
        raise ValueError(f'--fusion must be one of {names}, got {fusion!r}')
    print(f'sound reaches the map in {fusion} ({type(model.get_submodule(fusion)).__name__}), of {names}')
    for index in chosen_clips(first, args.clips, args.num):
        rows, shown = [], None
        for sound, dataset in sets.items():
            batch = pseudo_collate([dataset[index]])
            frames = [frame.permute(1, 2, 0).numpy() for frame in batch['inputs'].frames[0]]
            data = model.data_preprocessor(batch, False)
            seen, (sample, ) = look(model, data['inputs'], data['data_samples'], fusion)
            outlines = [frame.pred_sem_seg.data[0].cpu().numpy() > 0 for frame in sample.frames]
            new = shown is None or not torch.allclose(shown, seen.before)  # where sound has not yet come, it makes no difference
            rows += rows_of(sound, seen, np.stack(outlines), args.per_layer, new)
            shown = seen.before
        truth = [frame.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in frame else None for frame in sample.frames]
        figure = draw_map_grid(f'{sample.clip_id}: {Path(args.config).stem}', frames, truth, rows, first.metainfo)
        print(*save_figure(figure, Path(args.out) / f'{sample.clip_id}.png'), sep=', ')


if __name__ == '__main__':
    main()
