"""ICF in two gloo processes with one clip each: losses, logs and averaged gradients of one process with both clips."""
import socket

import pytest
import torch
import torch.distributed as torch_dist
import torch.multiprocessing as mp
from mmengine.registry import init_default_scope

from mmicf.models.necks import MITContext
from mmicf.registry import MODELS
from mmicf.structures import ICFInputs

D, LENGTHS = 16, (3, 2)
CASES = {
    'all': {},
    'no counterfactuals': dict(counterfactual=None),
    'pair swap': dict(counterfactual=dict(type='PairSwapCounterfactual')),
    'discrete': dict(counterfactual=dict(type='DiscreteCounterfactual', embed_dims=D, num_counterfactuals=2)),
}


def icf_losses(options, clips):
    """Losses and logs of some of two clips, and gradients of ICF's parameters and of a layer before them."""
    init_default_scope('mmicf')
    torch.manual_seed(0)
    model = MODELS.build({**dict(
        type='ImplicitCounterfactual', embed_dims=D, visual_dims=D, audio_dims=D,
        text=dict(
            type='ImplicitText', embed_dims=D, audio_dims=D, num_prompts=3,
            visual_encoder=dict(
                type='OpenCLIPTextEncoder', model_cfg=dict(width=32, heads=2, layers=1, vocab_size=64, embed_dim=24)),
            audio_encoder=dict(
                type='CLAPTextEncoder', embed_dims=24,
                text_cfg=dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=64))),
        counterfactual=dict(type='SemanticCounterfactual', embed_dims=D, num_counterfactuals=2, denoiser_dims=32),
        contrast=dict(type='CDCLLoss')), **options})
    g = torch.Generator().manual_seed(0)
    names = ('video', 'segment', 'frame', 'audio', 'visual')
    data = [{name: torch.randn(t, D, 2, 2, generator=g) for name in names} for t in LENGTHS]
    mix = torch.randn(D, D, generator=g).requires_grad_()

    def rows(name):
        return torch.cat([data[c][name] for c in clips])

    audio, visual = (rows(name).mean((2, 3)) @ mix for name in ('audio', 'visual'))
    context = MITContext(*(torch.einsum('ndhw,de->nehw', rows(p), mix) for p in ('video', 'segment', 'frame')), 2)
    index = torch.cat([torch.full((LENGTHS[c], ), i) for i, c in enumerate(clips)])
    found = model.loss(ICFInputs(context.frame, audio, index, [f'clip{c}' for c in clips], visual, audio, context))
    gap = torch.tensor([3., -1.3])[clips].mean() * mix.sum()  # one clip far below the margin: a rank alone would not see it
    found.update(model.hinge(0 * gap - gap, gap))
    params = {'mix': mix, **{n: p for n, p in model.named_parameters() if p.requires_grad}}
    grads = torch.autograd.grad(sum(v for k, v in found.items() if 'loss' in k), list(params.values()), allow_unused=True)
    grads = [torch.zeros_like(p) if g is None else g for p, g in zip(params.values(), grads, strict=True)]
    return {k: v.detach() for k, v in found.items()}, dict(zip(params, grads, strict=True))


def _worker(rank, port, folder):
    torch.set_num_threads(1)
    torch_dist.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    try:
        out = {}
        for name, options in CASES.items():
            values, grads = icf_losses(options, [rank])
            for x in (*values.values(), *grads.values()):  # what reduce_log_vars and DDP do
                torch_dist.all_reduce(x)
            out[name] = ({k: v / 2 for k, v in values.items()}, {k: v / 2 for k, v in grads.items()})
        torch.save(out, f'{folder}/{rank}.pt')
    finally:
        torch_dist.destroy_process_group()


def test_two_ranks_with_one_clip_each_equal_one_process(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    mp.spawn(_worker, (port, str(tmp_path)), nprocs=2)
    found = [torch.load(tmp_path / f'{rank}.pt') for rank in range(2)]
    for name, options in CASES.items():
        one, one_grads = icf_losses(options, [0, 1])
        assert one_grads['mix'].abs().max() > 1e-3
        for values, grads in (rank[name] for rank in found):
            assert values.keys() == one.keys()
            for key in one:
                if 'std' in key or 'cos' in key:  # spreads and means over the local clips, logged only
                    continue
                assert values[key].item() == pytest.approx(one[key].item(), abs=1e-5), (name, key)
            for key, grad in one_grads.items():
                assert (grads[key] - grad).abs().max() < 1e-5, (name, key)
