"""Write DDESeg's semantic memory: features of single-source sounds, clustered by class.

    python tools/dataset_converters/build_semantic_memory.py configs/ddeseg/ddeseg_mit_avss.py data/memory/htsat_avss.npz \\
        --dataset avss --data-root data/AVSBench/AVSS

runs the config's audio backbone over the training clips with one sounding class (S4's categories; of AVSS the clips whose metadata
names one class; VPO-SS) and gives each second of sound to its class. Classes, numbers of clusters and of features per
cluster are the config's ``model.derivation.memory``. Classes without a clip are listed; the model will never derive them.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.utils import track_iter_progress

from mmicf.datasets import SETS
from mmicf.models.ddeseg import backbone_settings, build_memory, save_memory
from mmicf.registry import MODELS
from mmicf.utils.type_name import type_name

AUDIO_TRANSFORMS = ('LoadAudio', 'LoadLogMel', 'LogMel', 'FitWaveform')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='of a DDESeg model')
    parser.add_argument('out', help='npz file')
    parser.add_argument('--dataset', choices=['s4', 'avss', 'vpo'], required=True)
    parser.add_argument('--data-root', required=True)
    parser.add_argument('--split', default='train')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='overrides, key.subkey=value')
    return parser.parse_args()


@torch.no_grad()
def class_features(dataset, backbone, classes: tuple[str, ...], device: str) -> dict[str, np.ndarray]:
    """(n, d) of every class that a clip of its own sounds in.

    Raises:
        ValueError: no clip of the dataset has one class alone.
    """
    wanted = [i for i in range(len(dataset)) if dataset.get_data_info(i)['category'] in classes]
    if not wanted:
        raise ValueError(f'{dataset.data_root}: none of {len(dataset)} clips has one of the classes {list(classes)[:5]}, ... alone')
    found: dict[str, list[np.ndarray]] = {}
    for index in track_iter_progress(wanted):
        results = dataset[index]
        fields = dict(clip_index=torch.zeros(results['num_frames'], dtype=torch.long, device=device))
        if 'log_mel' in results:
            fields['log_mel'] = torch.from_numpy(results['log_mel']).to(device)
        if 'waveform' in results:
            fields.update(waveform=[torch.from_numpy(results['waveform']).to(device)], sample_rate=[results['sample_rate']])
        audio = backbone(**{name: fields[name] for name in backbone.input_fields})
        found.setdefault(results['category'], []).append(audio.float().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope('mmicf')
    derivation = cfg.model.derivation
    memory = MODELS.build(dict(derivation.memory, path='random', embed_dims=derivation.embed_dims))  # names and sizes of the config
    torch.manual_seed(0)  # a backbone without a checkpoint
    backbone = MODELS.build(cfg.model.audio_backbone)
    backbone.init_weights()
    backbone.to(args.device).eval()
    pipeline = [step for step in cfg.test_dataloader.dataset.pipeline if type_name(step) in AUDIO_TRANSFORMS]
    options = dict(subset='ss') if args.dataset == 'vpo' else {}
    dataset = SETS[args.dataset](data_root=args.data_root, split=args.split, pipeline=pipeline, **options)
    features = class_features(dataset, backbone, memory.classes, args.device)
    settings = dict(backbone_settings(backbone), source=f'{args.dataset} {args.split}', config=Path(args.config).name)
    _, clusters, members, _ = memory.features.shape
    built = build_memory(features, memory.classes, num_clusters=clusters, per_cluster=members, settings=settings)
    save_memory(args.out, built)
    silent = [name for name, count in zip(memory.classes, built.settings['counts'], strict=True) if not count]
    print(f'\n{sum(built.settings["counts"])} seconds of {len(memory.classes) - len(silent)} classes, {clusters} clusters of '
          f'{members} each ({built.settings["kmeans"]}), written to {args.out}')
    if silent:
        print(f'{len(silent)} classes without a clip: {", ".join(silent)}')


if __name__ == '__main__':
    sys.exit(main())
