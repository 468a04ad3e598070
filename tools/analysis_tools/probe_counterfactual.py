#!/usr/bin/env python
"""What the denoiser of SC should be trained on and what it should read when it generates.

    python tools/analysis_tools/probe_counterfactual.py                     # on synthetic text, needs no data
    python tools/analysis_tools/probe_counterfactual.py CONFIG CHECKPOINT   # on the text of a trained ICF model

Synthetic text is a mixture of classes on a random span of 16 of 128 dimensions, with visual tokens that tell the class. A model's
text stays fixed. For each setting a fresh SC learns on the texts of the training clips and is measured on those
of the test clips: error of the predicted noise at two steps, cosine of a counterfactual z* to where its denoising started
(z'_t) and to the factual text z, and the share of its energy in the span of factual text. A counterfactual should lie in
that span, away from z (cosine below 0.9), and not be its start (below 0.95).
"""
import argparse
import itertools

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import Tensor

from mmicf.models.counterfactuals.draws import token_normal
from mmicf.models.counterfactuals.rotating import token_cosine, unit_variance
from mmicf.models.layers import frames_by_clip
from mmicf.registry import MODELS
from mmicf.structures import FactualText
from mmicf.utils.random import clip_generator, publish_iteration
from mmicf.utils.text_table import table
from mmicf.utils.trained_model import batches_of, load_trained, require_parts, split_loader

SYNTHETIC_DIMS, SYNTHETIC_RANK, SYNTHETIC_TOKENS, SYNTHETIC_FRAMES = 128, 16, 8, 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='an ICF config with SemanticCounterfactual; without it the text is synthetic')
    parser.add_argument('checkpoint', nargs='?', help='of training (a published one has no ICF in it)')
    parser.add_argument('--steps', type=int, default=1000, help='training steps of each setting')
    parser.add_argument('--lr', type=float, default=1e-3)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--data-root', help="in place of the config's")
    args = parser.parse_args()
    if args.config and not args.checkpoint:
        parser.error('a config needs the checkpoint of its training')
    return args


def synthetic_text(batches: int, batch_size: int, split: str) -> list[tuple]:
    """Like :func:`collect`, of clips whose tokens lie around one of 24 centres in a span that all splits share."""
    world, own = torch.Generator().manual_seed(0), clip_generator(split, 'probe.synthetic')
    basis = torch.randn(SYNTHETIC_DIMS, SYNTHETIC_RANK, generator=world)
    basis = torch.linalg.qr(basis - basis.mean(0)).Q  # directions of zero mean: layer normalisation does not leave the span
    centres = torch.randn(24, SYNTHETIC_RANK, generator=world)
    seen_as = torch.randn(SYNTHETIC_RANK, SYNTHETIC_DIMS, generator=world) / SYNTHETIC_RANK**0.5
    out = []
    for i in range(batches):
        centre = centres[torch.randint(len(centres), (batch_size, ), generator=own)][:, None]  # (B, 1, rank)
        tokens = (centre + 0.5 * torch.randn(batch_size, SYNTHETIC_TOKENS, SYNTHETIC_RANK, generator=own)) @ basis.T
        tokens = F.layer_norm(tokens, (SYNTHETIC_DIMS, ))
        visual = centre @ seen_as + 0.5 * torch.randn(batch_size, SYNTHETIC_FRAMES, SYNTHETIC_DIMS, generator=own)
        weight = torch.full(tokens.shape[:2], 1 / SYNTHETIC_TOKENS)
        text = FactualText(tokens, weight, weight > 0, tokens.mean(1), tokens.mean(1))
        names = [f'{split}{i}.{k}' for k in range(batch_size)]
        out.append((text, visual, torch.ones(visual.shape[:2], dtype=torch.bool), names))
    return out


def collect(model, loader) -> list[tuple]:
    """(text, visual tokens, their validity, clip ids) of each batch."""
    out = []
    for data in batches_of(model, loader):
        ids = [sample.clip_id for sample in data['data_samples']]
        shown = model._shown_to_icf(data['inputs'], model.extract_feat(data['inputs']), ids)
        text, _, context = model.icf.factual_text(shown)
        out.append((text, *frames_by_clip(context.frame.mean((2, 3)), shown.clip_index), ids))
    return out


def text_span(batches: list[tuple]) -> Tensor:
    """Orthonormal (D, r) directions that hold 99 % of the energy of factual tokens."""
    tokens = torch.cat([unit_variance(text.tokens, text.valid)[text.valid] for text, *_ in batches])
    _, energy, directions = torch.linalg.svd(tokens, full_matrices=False)
    share = energy.square().cumsum(0) / energy.square().sum()
    return directions[:int((share < 0.99).sum()) + 1].T


@torch.no_grad()
def measure(sc, batches: list[tuple], span: Tensor) -> list[float]:
    """ε-MSE at steps 100 and 200, cos(z*, z'_t), cos(z*, z), share in the span: means over clips."""
    total, clips = torch.zeros(5, device=span.device), 0
    for text, visual, valid, ids in batches:
        z = unit_variance(text.tokens, text.valid)
        m, s = sc.degrees(z, text.weight)
        errors = []
        for t in (99, 199):
            noise = token_normal(ids, f'probe.{t}', text.valid, 1, z.shape[-1])[:, 0]
            step = torch.full((len(z), ), t, device=z.device)
            z_t = sc.schedule.add_noise(z, noise, step)
            if sc.denoiser_input == 'rotated':
                z_t = sc.rotate(z_t[:, None], text, ids, 'probe', sc.jittered_alpha(ids, 'probe', 1), m, s)[:, 0]
            visible = valid if sc.generate_condition == 'visual' else torch.zeros_like(valid)
            errors.append((sc.denoiser(z_t, step, visual, visible) - noise).square().mean(-1)[text.valid].mean())
        made, start, _ = sc.generate(z, text, visual, valid, ids, m, s)
        flat = made[text.valid[:, None].expand(made.shape[:3])]
        share = (flat @ span).square().sum() / flat.square().sum()
        row = [*errors, token_cosine(made, start, text.valid),
               token_cosine(made, z[:, None].expand_as(made), text.valid), share]
        total += len(ids) * torch.stack(row)
        clips += len(ids)
    return (total / clips).tolist()


def fixed(batches: list[tuple]) -> list[tuple]:
    """The batches without gradients, on the GPU, if there is one."""
    device = get_device()
    return [(FactualText(*(x.detach().to(device) for x in text)), visual.detach().to(device), valid.to(device), ids)
            for text, visual, valid, ids in batches]


def texts_and_counterfactual(args: argparse.Namespace) -> tuple[list[tuple], list[tuple], dict]:
    """Batches to train on and to measure on, and the config of the part to build."""
    if not args.config:
        init_default_scope('mmicf')
        part = dict(type='SemanticCounterfactual', embed_dims=SYNTHETIC_DIMS, denoiser_dims=SYNTHETIC_DIMS, num_counterfactuals=1)
        return fixed(synthetic_text(64, args.batch_size, 'train')), fixed(synthetic_text(8, args.batch_size, 'test')), part
    cfg = Config.fromfile(args.config)
    if args.data_root:
        cfg.test_dataloader.dataset.data_root = args.data_root
    model = load_trained(cfg, args.checkpoint)
    require_parts(model, args.config, 'extract_maps', 'icf.text', 'icf.counterfactual.denoiser')
    train, test = (fixed(collect(model, split_loader(cfg, split, args.batch_size))) for split in ('train', 'test'))
    return train, test, cfg.model.icf.counterfactual


def main() -> None:
    args = parse_args()
    torch.manual_seed(0)
    train, test, part = texts_and_counterfactual(args)
    span = text_span(train)
    rows = []
    for seen, condition in itertools.product(('rotated', 'factual'), ('visual', 'none')):
        torch.manual_seed(0)
        sc = MODELS.build({**part, 'denoiser_input': seen, 'generate_condition': condition}).to(span.device)
        optimizer = torch.optim.AdamW(sc.parameters(), args.lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1., 0.01, args.steps)
        for i in range(args.steps):
            publish_iteration(i)
            optimizer.zero_grad()
            _, losses, _ = sc(*train[i % len(train)])
            sum(losses.values()).backward()
            optimizer.step()
            schedule.step()
        publish_iteration(args.steps)
        rows.append([f'{seen}, {condition}', *(f'{x:.3f}' for x in measure(sc, test, span))])
    clips = [sum(len(batch[3]) for batch in part) for part in (train, test)]
    print(f'\n{clips[0]} training and {clips[1]} test clips, {args.steps} steps; factual tokens span {span.shape[1]} of '
          f'{span.shape[0]} dimensions (99 % of their energy)')
    print(table(['denoiser_input, generate_condition', 'ε-MSE t=100', 'ε-MSE t=200', "cos(z*, z'_t)", 'cos(z*, z)', 'in the span'],
                rows))


if __name__ == '__main__':
    main()
