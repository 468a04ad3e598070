#!/usr/bin/env python
"""Parameters and floating-point operations of a model at test time, by part; what only training runs is left out."""
import argparse

from mmicf.utils.model_parts import count_parameters
from mmicf.utils.model_report import (
    add_model_arguments,
    build_model,
    forward_flops,
    load_config,
    parts_of,
    random_batch,
)
from mmicf.utils.run_config import drop_training_parts
from mmicf.utils.text_table import table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_arguments(parser)
    args = parser.parse_args()
    cfg = load_config(args)
    drop_training_parts(cfg)
    model = build_model(cfg)
    flops = forward_flops(model, random_batch(cfg, args))
    rows = [[name, f'{count_parameters(part)[0] / 1e6:.2f}', f'{flops.get(name, 0) / 1e9:.2f}',
             f'{100 * flops.get(name, 0) / flops[""]:.1f}'] for name, part in parts_of(model).items()]
    print(f'{args.config}: {args.clips} clip(s) of {args.frames} frames, {args.size}x{args.size}')
    print(table(['part', 'parameters (M)', 'GFLOPs', '%'], rows))
    total, trainable = count_parameters(model)
    print(f'parameters: {total / 1e6:.2f} M, trainable {trainable / 1e6:.2f} M')
    print(f'{flops[""] / 1e9:.2f} GFLOPs (a multiply-add is two; matrix products, convolutions and attention)')


if __name__ == '__main__':
    main()
