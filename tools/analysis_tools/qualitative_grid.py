#!/usr/bin/env python
"""Frames, ground truth and masks of several models side by side, with the sound (ICF, Figure 4).

    python tools/analysis_tools/qualitative_grid.py --dataset ms3 --root data/AVSBench/Multi-sources \\
        --models TPAVI=out/tpavi_masks ICF=configs/icf/icf_pvt_ms3.py,CHECKPOINT --clips ID ID --out work_dirs/grid

``--rows frames`` (default) writes {clip_id}.png and .pdf with a row for every frame, whose sound is its second of the clip;
``--rows clips`` writes grid.png and .pdf with one row per clip: its middle frame, and all of its sound with that second marked.
"""
import argparse
from pathlib import Path

from mmicf.analysis.compared_models import (
    add_clip_arguments,
    add_models_argument,
    add_set_arguments,
    build_set,
    check_models,
    chosen_clips,
    predictions,
)
from mmicf.analysis.figure_file import save_figure
from mmicf.analysis.qualitative_grid import GridRow, Sound, draw_grid
from mmicf.datasets.base import BaseAVDataset
from mmicf.datasets.transforms import LoadAudio, LoadLogMel, LoadMasks
from mmicf.datasets.transforms.loading_frames import read_rgb


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_arguments(parser)
    add_models_argument(parser, required=True)
    add_clip_arguments(parser)
    parser.add_argument('--rows', choices=['frames', 'clips'], default='frames')
    parser.add_argument('--out', default='work_dirs/qualitative_grid')
    return parser.parse_args()


def sound_of(clip: dict) -> Sound:
    """A clip's sound as it is stored, mono; its log-mel file where it has no other."""
    if not clip['audio']:
        return Sound(log_mel=LoadLogMel().transform(dict(clip))['log_mel'])
    heard = LoadAudio().transform(dict(clip))
    return Sound(heard['waveform'], heard['sample_rate'])


def rows_of(dataset: BaseAVDataset, index: int, samples: list[dict], rows: str) -> list[GridRow]:
    """The rows of a clip.

    Args:
        dataset: of :func:`build_set`.
        index: of the clip.
        samples: the clip's predictions by each model.
        rows: 'frames' or 'clips'.
    """
    clip = dataset.get_data_info(index)
    sound, count = sound_of(clip), clip['num_frames']
    length = float(count)
    if count == 1 and sound.waveform is not None:  # one picture stands for all the sound (VPO)
        length = sound.waveform.shape[1] / sound.sample_rate
    out = []
    for t in range(count) if rows == 'frames' else [count // 2]:
        masks = [{frame.frame_idx: frame.pred_sem_seg.data[0].numpy() for frame in sample['frames']}.get(t) for sample in samples]
        second = (0., length) if count == 1 else (float(t), t + 1.)
        out.append(GridRow(
            title=f'frame {t}' if rows == 'frames' else clip['clip_id'],
            frame=read_rgb(clip['frame_paths'][t]),
            truth=LoadMasks.load(clip['mask_paths'][t], clip) if clip['has_gt'][t] else None,
            masks=masks,
            sound=sound,
            span=second if rows == 'frames' else (0., length),
            second=second if rows == 'clips' and count > 1 else None))
    return out


def main() -> None:
    args = parse_args()
    check_models(args.models)
    names = [model.name for model in args.models]
    dataset = build_set(args)
    indices = chosen_clips(dataset, args.clips, args.num)
    samples = zip(*[list(predictions(model, dataset, indices)) for model in args.models], strict=True)
    rows = [rows_of(dataset, index, list(mine), args.rows) for index, mine in zip(indices, samples, strict=True)]
    out = Path(args.out)
    if args.rows == 'clips':
        figure = draw_grid(f'{args.dataset} {args.split}', names, [row for mine in rows for row in mine], dataset.metainfo)
        print(*save_figure(figure, out / 'grid.png'), sep=', ')
        return
    for index, mine in zip(indices, rows, strict=True):
        clip_id = dataset.get_data_info(index)['clip_id']
        print(*save_figure(draw_grid(clip_id, names, mine, dataset.metainfo), out / f'{clip_id}.png'), sep=', ')


if __name__ == '__main__':
    main()
