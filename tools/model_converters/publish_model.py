#!/usr/bin/env python
"""Makes the file to publish from a training checkpoint: weights of the test-time model alone, its hash in the name.

With EMAHook these are the averaged weights: it saves them as the checkpoint's ``state_dict``.
"""
import argparse
import hashlib
from pathlib import Path

import torch

from mmicf.utils.checkpoint import model_state, read_run_checkpoint
from mmicf.utils.model_parts import TRAINING_ONLY


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument('out', help='file to write, ending in .pth; eight digits of its SHA-256 are put before the ending')
    parser.add_argument('--keep-text', action='store_true',
                        help='keep what makes the text, for models with text_in_decoder (frozen towers are never in a checkpoint)')
    return parser.parse_args()


def published_state(checkpoint: dict, *, keep_text: bool = False) -> dict[str, torch.Tensor]:
    """Tensors of the test-time model."""
    dropped = tuple(f'{part}.' for part in TRAINING_ONLY)
    kept = tuple(f'{part}.{child}.' for part in TRAINING_ONLY for child in ('text', 'context')) if keep_text else ()
    state = model_state(checkpoint)
    return {name: value.clone() for name, value in state.items() if not name.startswith(dropped) or name.startswith(kept)}


def main() -> None:
    args = parse_args()
    out = Path(args.out)
    if out.suffix != '.pth':
        raise ValueError(f'out must end in .pth, got {out.name}')
    checkpoint = read_run_checkpoint(args.checkpoint)
    state = published_state(checkpoint, keep_text=args.keep_text)
    out.parent.mkdir(parents=True, exist_ok=True)
    meta = {k: v for k, v in checkpoint.get('meta', {}).items() if k in ('dataset_meta', 'mmengine_version', 'epoch', 'iter')}
    torch.save(dict(meta=meta, state_dict=state), out)
    final = out.with_name(f'{out.stem}-{hashlib.sha256(out.read_bytes()).hexdigest()[:8]}.pth')
    out.rename(final)
    dropped = len(model_state(checkpoint)) - len(state)
    print(f'{final}: {len(state)} tensors, {sum(v.numel() for v in state.values()) / 1e6:.2f} M numbers; '
          f'{dropped} training-only tensors left out')


if __name__ == '__main__':
    main()
