"""CDCL in two gloo processes: the loss, the logs and, after averaging as DDP does, the gradient of one process."""

import torch
import torch.distributed as torch_dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from mmicf.models.losses import CDCLLoss
from mmicf.structures import Counterfactuals, FactualText

LENGTHS, P, K, D = (5, 3, 2), (4, 3, 2), 3, 16
# mode, clips of both ranks, clips of the first, frozen audio embedding, counterfactuals
CASES = [(mode, *case) for mode in ('distribution', 'prototype', 'feature')
         for case in ((2, 1, False, True), (2, 1, True, False), (3, 2, False, False), (3, 1, True, True))]


def padded(sets):
    return torch.nn.utils.rnn.pad_sequence(sets, batch_first=True)


def losses(mode, clips, anchored, counterfactuals):
    """Losses, logs and the parameters of the layers before the loss, for the given clips of a fixed data set.

    T and the number of tokens differ from clip to clip, so each rank pads to another length than one process does.
    """
    g = torch.Generator().manual_seed(0)
    visual, audio = ([torch.randn(t, D, generator=g) for t in LENGTHS] for _ in range(2))
    tokens = [torch.randn(p, D, generator=g) for p in P]
    pools = [torch.randn(p, K, D, generator=g) for p in P]
    weight = [torch.randn(p, generator=g).softmax(0) for p in P]
    pool_weight, said = torch.randn(3, K, generator=g).softmax(1), torch.randn(3, 4, generator=g)
    heard = torch.randn(3, 4, generator=g)[[0, 1, 0]]
    params = [torch.randn(D, D, generator=g).requires_grad_() for _ in range(3)]
    index = torch.cat([torch.full((LENGTHS[c],), i) for i, c in enumerate(clips)])
    w = padded([weight[c] for c in clips])
    text = FactualText(F.layer_norm(padded([tokens[c] for c in clips]) @ params[2], (D,)), w, w > 0, said[clips], said[clips])
    pool = Counterfactuals(F.layer_norm(padded([pools[c] for c in clips]), (D,)).transpose(1, 2), pool_weight[clips])
    sight, sound = (torch.cat([x[c] for c in clips]) @ w for x, w in ((visual, params[0]), (audio, params[1])))
    found, logs = CDCLLoss(mode=mode)(sight, sound, index, text, pool if counterfactuals else None,
                                      heard[clips] if anchored else None)
    grads = torch.autograd.grad(sum(found.values()), params)
    return {name: value.detach() for name, value in (*found.items(), *logs.items())}, grads


def _worker(rank, folder):
    torch.set_num_threads(1)
    torch_dist.init_process_group('gloo', init_method=f'file://{folder}/ranks', rank=rank, world_size=2)
    try:
        out = []
        for mode, clips, split, *rest in CASES:
            own = list(range(split)) if rank == 0 else list(range(split, clips))
            values, grads = losses(mode, own, *rest)
            averaged = [*values.values(), *grads]
            for x in averaged:  # what DDP does to gradients, and reduce_log_vars to what is logged
                torch_dist.all_reduce(x)
            out.append((dict(zip(values, averaged, strict=False)), averaged[len(values):]))
        torch.save(out, f'{folder}/{rank}.pt')
    finally:
        torch_dist.destroy_process_group()


def test_two_ranks_with_clips_of_different_length_equal_one_process(tmp_path):
    mp.spawn(_worker, (str(tmp_path), ), nprocs=2)
    for rank in range(2):
        for case, (values, grads) in zip(CASES, torch.load(tmp_path / f'{rank}.pt'), strict=True):
            mode, clips, _, *rest = case
            one, one_grads = losses(mode, list(range(clips)), *rest)
            assert values.keys() == one.keys()
            for name in one:
                assert (values[name] / 2 - one[name]).abs() < 1e-5, (case, name)
            for a, b in zip(grads, one_grads, strict=True):
                assert b.abs().max() > 1e-4 and (a / 2 - b).abs().max() < 1e-5, case
