"""ICF, and the segmentor with it, in two gloo processes: losses, logs and averaged gradients of one process with all clips."""
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as torch_dist
import torch.multiprocessing as mp
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmicf.models.necks import MITContext
from mmicf.registry import MODELS
from mmicf.structures import ICFInputs

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent / 'test_segmentors'))
from test_av_segmentor import clip  # noqa: E402

LOCAL = ('std', 'cos_start', 'cos_factual', 'alpha')  # spreads and means over a rank's own clips, logged only
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


def segmentor_step(names):
    """What the tiny segmentor logs of the named clips, and the gradients of their total loss."""
    init_default_scope('mmicf')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(ROOT / 'configs/icf/icf_tiny_synthetic.py').model).train()
    for scale in model.neck.scales:  # a fresh neck passes maps unchanged
        torch.nn.init.normal_(scale.output_proj.weight, std=0.05)
    clips = dict(a=clip('a', 3, labelled=[0]), b=clip('b', 2, seed=1), c=clip('c', 2, labelled=[], seed=2))
    data = model.data_preprocessor(pseudo_collate([clips[name] for name in names]), True)
    total, logs = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    grads = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in model.named_parameters() if p.requires_grad}
    return {k: v.item() for k, v in logs.items()}, grads


def _worker(rank, folder):
    torch.set_num_threads(1)
    torch_dist.init_process_group('gloo', init_method=f'file://{folder}/ranks', rank=rank, world_size=2)
    try:
        out = {}
        for name, options in CASES.items():
            values, grads = icf_losses(options, [rank])
            for x in (*values.values(), *grads.values()):  # what reduce_log_vars and DDP do
                torch_dist.all_reduce(x)
            out[name] = ({k: v / 2 for k, v in values.items()}, {k: v / 2 for k, v in grads.items()})
        logs, grads = segmentor_step(('ab', 'c')[rank])
        for x in grads.values():
            torch_dist.all_reduce(x)
        torch.save((out, logs, {k: v / 2 for k, v in grads.items()}), f'{folder}/{rank}.pt')
    finally:
        torch_dist.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """What each of the two processes found."""
    folder = tmp_path_factory.mktemp('ranks')
    mp.spawn(_worker, (str(folder), ), nprocs=2)
    return [torch.load(folder / f'{rank}.pt') for rank in range(2)]


def test_two_ranks_with_one_clip_each_equal_one_process(ranks):
    for name, options in CASES.items():
        one, one_grads = icf_losses(options, [0, 1])
        assert one_grads['mix'].abs().max() > 1e-3
        for values, grads in (cases[name] for cases, *_ in ranks):
            assert values.keys() == one.keys()
            for key in one:
                if 'std' in key or 'cos' in key:  # spreads and means over the local clips, logged only
                    continue
                assert values[key].item() == pytest.approx(one[key].item(), abs=1e-5), (name, key)
            for key, grad in one_grads.items():
                assert (grads[key] - grad).abs().max() < 1e-5, (name, key)


def test_segmentor_on_two_ranks_one_without_ground_truth_equals_one_process(ranks):
    one, one_grads = segmentor_step('abc')
    assert one['loss_mask'] > 0 and one['icf.loss_cf'] > 0
    for _, logs, grads in ranks:
        assert logs.keys() == one.keys()
        for key, value in one.items():
            if not key.endswith(LOCAL):
                assert logs[key] == pytest.approx(value, rel=1e-4, abs=1e-5), key
        for key, grad in one_grads.items():
            assert (grads[key] - grad).abs().max() < 1e-5 + 1e-3 * grad.abs().max(), key
