#!/usr/bin/env python
"""Time and memory of TPAVI's interaction: our exact small form against the published (T·H·W)² matrix, and how far they differ."""
import argparse

import torch
import torch.nn.functional as F
from torch import Tensor

from mmicf.models.tpavi import TPAVIAttention
from mmicf.utils.text_table import table
from mmicf.utils.timing import Clock, allocated_peak


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--frames', type=int, default=5, help='T')
    parser.add_argument('--size', type=int, default=224, help='height and width of the frames; the four maps have strides 4 to 32')
    parser.add_argument('--dims', type=int, default=256, help='D')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args()


def dense(block: TPAVIAttention, x: Tensor, audio: Tensor) -> Tensor:
    """The published form on one clip: the audio is tiled to every pixel of the map (T, C, h, w)."""
    t, c, h, w = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, c)  # (THW, C)
    tiled = block.align_channel(audio)[:, None].expand(t, h * w, c).reshape(-1, c)
    similarity = block.theta(pixels) @ block.phi(tiled).T / len(pixels)  # (THW, THW)
    out = block.W_z[0](similarity @ block.g(pixels)).view(t, h, w, c).permute(0, 3, 1, 2)
    out = x + block.W_z[1](out)
    return F.layer_norm(out.permute(0, 2, 3, 1), (c, ), block.norm_layer.weight, block.norm_layer.bias).permute(0, 3, 1, 2)


def main() -> None:
    args = parse_args()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    clock = Clock(args.device)
    block = TPAVIAttention(args.dims, 128, args.dims // 2).to(clock.device).eval()
    torch.nn.init.ones_(block.W_z[1].weight)
    clips = torch.zeros(args.frames, dtype=torch.long, device=clock.device)
    rows = []
    for stride in (4, 8, 16, 32):
        side = args.size // stride
        x = torch.randn(args.frames, args.dims, side, side, device=clock.device)
        audio = torch.randn(args.frames, 128, device=clock.device).relu()
        calls = {'small': lambda x=x, audio=audio: block(x, audio, clips)[0],
                 'dense': lambda x=x, audio=audio: dense(block, x, audio)}
        with torch.inference_mode():
            error = (calls['small']() - calls['dense']()).abs().max().item()
            times = clock.measure(calls, runs=args.runs, warmup=1)
            peak = {name: allocated_peak(call, clock.device) for name, call in calls.items()}
        rows.append([f'{side}x{side}', f'{times["small"].median:.4f}', f'{times["dense"].median:.4f}',
                     f'{times["dense"].median / times["small"].median:.1f}', f'{peak["small"]:.1f}', f'{peak["dense"]:.1f}',
                     f'{peak["dense"] / peak["small"]:.1f}', f'{error:.1e}'])
    print(f'forward of one clip of {args.frames} frames, {args.size}x{args.size}, D={args.dims}, {clock.device}, '
          f'{torch.get_num_threads()} threads, median of {args.runs}; memory that the call allocates at its peak')
    header = ['map', 'small, s', 'dense, s', 'times faster', 'small, MiB', 'dense, MiB', 'times smaller', 'largest difference']
    print(table(header, rows))


if __name__ == '__main__':
    main()
