"""Collectives in two gloo processes against the single-process result."""

import pytest
import torch
import torch.distributed as torch_dist
import torch.multiprocessing as mp

from mmicf.utils import dist as av_dist

ROWS = 7


def coupled_loss(x):
    """A contrast over all rows: every row's gradient depends on all others."""
    x = torch.nn.functional.normalize(x.flatten(1), dim=1)
    logits = x @ x.T / 0.3
    return (torch.logsumexp(logits, 1) - logits.diagonal()).mean()


def make_data():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(ROWS, 3, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    return data, weight


def single_process():
    data, weight = make_data()
    weight.requires_grad_()
    loss = coupled_loss(data @ weight)
    loss.backward()
    return loss.detach(), weight.grad


def own_rows(data, split, rank):
    return data[:split] if rank == 0 else data[split:]


def _worker(rank, case, folder):
    torch_dist.init_process_group('gloo', init_method=f'file://{folder}/ranks', rank=rank, world_size=2)
    try:
        torch.save(globals()[case](rank), f'{folder}/{rank}.pt')
    finally:
        torch_dist.destroy_process_group()


def two_ranks(case, folder):
    mp.start_processes(_worker, (case.__name__, str(folder)), nprocs=2, start_method='fork')
    return [torch.load(folder / f'{rank}.pt') for rank in range(2)]


def gradients(rank):
    data, start = make_data()
    found = {}
    for split in (0, 2, 3, 6):
        weight = start.clone().requires_grad_()
        loss = coupled_loss(av_dist.gather_rows(own_rows(data, split, rank) @ weight))
        loss.backward()
        torch_dist.all_reduce(weight.grad)
        found[split] = loss.detach(), weight.grad / 2  # what DDP does
    return found


def test_gradient_is_the_single_process_gradient(tmp_path):
    loss, grad = single_process()
    for found in two_ranks(gradients, tmp_path):
        for split, (other_loss, other_grad) in found.items():
            assert abs(other_loss - loss) < 2e-15, split
            assert (other_grad - grad).abs().max() < 2e-15, split


def strided_half(rank):
    """A gathered half-precision tensor whose gradient arrives expanded (stride 0)."""
    x = torch.full((rank + 1, 2), 1.5, dtype=torch.bfloat16).requires_grad_()
    gathered = av_dist.gather_rows(x)
    gathered.sum().backward()
    return gathered.detach(), x.grad, av_dist.gather_rows(torch.tensor([rank] * (3 - rank)))


def test_expanded_gradients_half_precision_and_integers(tmp_path):
    for rank, (gathered, grad, integers) in enumerate(two_ranks(strided_half, tmp_path)):
        assert gathered.dtype == torch.bfloat16 and gathered.shape == (3, 2)
        assert torch.equal(grad, torch.full((rank + 1, 2), 2., dtype=torch.bfloat16))
        assert integers.tolist() == [0, 0, 0, 1, 1]


def other_shapes(rank):
    try:
        av_dist.gather_rows(torch.zeros(2, 3 + rank))
    except ValueError as error:
        return str(error)


def test_other_trailing_shape_raises_on_both_ranks(tmp_path):
    for message in two_ranks(other_shapes, tmp_path):
        assert '[[2, 3], [2, 4]]' in message


def means(rank):
    own = torch.tensor([1., 4.])[rank].requires_grad_()
    mean = av_dist.all_reduce_mean(own)
    logged = av_dist.reduce_log_vars({'loss': own, 'b': torch.tensor(rank, dtype=torch.bfloat16)})
    try:
        av_dist.reduce_log_vars({'loss': own, f'only_{rank}': own})
        error = None
    except RuntimeError as found:
        error = str(found)
    counted = av_dist.all_reduce_mean(torch.tensor(rank))
    return mean, mean.requires_grad, own.detach(), logged, error, counted


def test_means_over_ranks(tmp_path):
    for rank, (mean, has_grad, own, logged, error, counted) in enumerate(two_ranks(means, tmp_path)):
        assert mean == 2.5 and not has_grad and own == [1., 4.][rank] and counted == 0.5
        assert list(logged) == ['loss', 'b'] and logged['loss'] == 2.5 and logged['b'] == 0.5
        assert f'only_{rank}' in error


def test_without_process_group():
    x = torch.ones(2, 3, requires_grad=True)
    assert av_dist.gather_rows(x) is x
    assert not av_dist.all_reduce_mean(x).requires_grad and torch.equal(av_dist.all_reduce_mean(x), x)
    log_vars = {'a': x.sum()}
    assert av_dist.reduce_log_vars(log_vars)['a'] == 6
    with pytest.raises(ValueError, match='1 to 8 dimensions'):
        av_dist._all_shapes(torch.tensor(1.))
