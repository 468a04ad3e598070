"""Write the embeddings of frozen image and audio towers once, so that training need not run them.

    python tools/dataset_converters/cache_anchors.py ms3 data/AVSBench/Multi-sources data/anchors/ms3 \\
        --clip pretrained/CLIP-ViT-B-32-laion2B-s34B-b79K.bin --clap pretrained/630k-audioset-best.pt

writes ``OUT/{clip_id}.npz`` with ``image_anchor`` and ``audio_anchor``, float32 (T, d), for each clip of each split; the transform
``LoadAnchors(anchor_dir=OUT)`` reads them. ``OUT/settings.json`` holds what they were made with: a folder made with other settings
is refused. Clips that are there already are kept, so the command can be stopped and run again.
"""
import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.utils import track_iter_progress

from mmicf.datasets import SETS
from mmicf.datasets.made_folder import is_made, mark
from mmicf.models.anchors import CLAPAudioAnchor, CLIPImageAnchor


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dataset', choices=['s4', 'ms3', 'avss'])
    parser.add_argument('data_root')
    parser.add_argument('out')
    parser.add_argument('--clip', help='open_clip file or tag; without it no image anchors are made')
    parser.add_argument('--clip-model', default='ViT-B-32')
    parser.add_argument('--clap', help='LAION-CLAP file; without it no audio anchors are made')
    parser.add_argument('--splits', nargs='+', help='default: all of the dataset')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    if not (args.clip or args.clap):
        parser.error('give --clip, --clap or both')
    return args


@torch.no_grad()
def write_anchors(dataset, out: Path, image, audio, device: str) -> int:
    """One file per clip of a dataset whose pipeline loads what the towers need; returns how many were made."""
    made = 0
    for index in track_iter_progress(range(len(dataset))):
        clip, frames = dataset.get_data_info(index)['clip_id'], None
        target = out / f'{clip}.npz'
        if target.is_file():
            continue
        results, arrays = dataset[index], {}
        if image is not None:
            frames = torch.from_numpy(np.stack(results['frames'])).permute(0, 3, 1, 2).float().to(device)
            arrays['image_anchor'] = image((frames - image.mean) / image.std)
        if audio is not None:
            waveform = torch.from_numpy(results['waveform']).to(device)
            arrays['audio_anchor'] = audio([waveform], [results['sample_rate']], [results['num_frames']])
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix('.part')
        with open(partial, 'wb') as file:
            np.savez(file, **{name: value.float().cpu().numpy() for name, value in arrays.items()})
        os.replace(partial, target)  # a stopped run leaves no half file under the final name
        made += 1
    return made


def main() -> None:
    args = parse_args()
    out, cls = Path(args.out), SETS[args.dataset]
    image = audio = None
    settings = dict(dataset=args.dataset)
    pipeline = []
    if args.clip:
        image = CLIPImageAnchor(model=args.clip_model, pretrained=args.clip).to(args.device)
        settings['clip'] = f'{args.clip_model} {Path(args.clip).name}'
        pipeline.append(dict(type='LoadFrames'))
    if args.clap:
        audio = CLAPAudioAnchor(checkpoint=args.clap).to(args.device)
        settings['clap'] = Path(args.clap).name
        pipeline += [dict(type='LoadAudio', sample_rate=48000), dict(type='FitWaveform')]
    if not is_made(out, settings):
        mark(out, settings)
    made = 0
    for split in args.splits or cls.SPLITS:
        made += write_anchors(cls(data_root=args.data_root, split=split, pipeline=pipeline), out, image, audio, args.device)
    print(f'\n{made} clips written to {out}')


if __name__ == '__main__':
    sys.exit(main())
