"""Gram-matrix forms against the D×D formulas of the paper."""
import math

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from torch.distributions import MultivariateNormal
from torch.utils._python_dispatch import TorchDispatchMode

from mmicf.models.losses import gaussian_entropy, gaussian_w2, relative_entropy


def rows(*shape, seed=0, scale=1.):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments(x, w=None):
    w = torch.full(x.shape[:1], 1 / len(x), dtype=x.dtype) if w is None else w
    mean = w @ x
    return mean, (x - mean).T @ torch.diag(w) @ (x - mean)


def dense_w2(x, y, wx=None, wy=None):
    """Eq. 15 for one pair, by the square roots of D×D matrices; eigenvalues that are rounding count as 0."""
    (mx, cx), (my, cy) = moments(x, wx), moments(y, wy)

    def positive(values):
        return torch.where(values > 1e-12 * values.max(), values, 0.)

    values, vectors = torch.linalg.eigh(cx)
    root = vectors @ torch.diag(positive(values).sqrt()) @ vectors.T
    cross = positive(torch.linalg.eigvalsh(root @ cy @ root)).sqrt().sum()
    return (mx - my).square().sum() + cx.trace() + cy.trace() - 2 * cross


@pytest.mark.parametrize(('t', 'n', 'd'), [(5, 5, 32), (1, 4, 16), (4, 1, 16), (10, 3, 64), (40, 30, 12), (1, 1, 8), (5, 10, 256)])
def test_distance_equals_the_dense_formula(t, n, d):
    x, y = rows(t, d), 0.3 + rows(n, d, seed=1)
    wx, wy = rows(t, seed=2).softmax(0), rows(n, seed=3).softmax(0)
    assert gaussian_w2(x, y).item() == pytest.approx(dense_w2(x, y).item(), abs=1e-6)
    assert gaussian_w2(x, y, wx, wy).item() == pytest.approx(dense_w2(x, y, wx, wy).item(), abs=1e-6)
    assert gaussian_w2(x, x, wx, wx).abs() < 1e-6


def test_distance_equals_the_printed_square_root():
    """(Σ_x Σ_y)^{1/2} as a matrix, where both have full rank."""
    x, y = rows(30, 6), 0.5 + 2 * rows(25, 6, seed=1)
    (mx, cx), (my, cy) = moments(x), moments(y)
    root = np.real(scipy.linalg.sqrtm((cx @ cy).numpy()))
    expected = (mx - my).square().sum() + cx.trace() + cy.trace() - 2 * np.trace(root)
    assert gaussian_w2(x, y).item() == pytest.approx(expected.item(), abs=1e-6)


def test_gradients_equal_those_of_the_dense_formula_at_full_rank():
    """Here autograd through the square roots is defined, also for the weights, along directions that keep their sum."""
    x, y, lx, ly = (t.requires_grad_() for t in (rows(20, 5), 0.5 + rows(16, 5, seed=1), rows(20, seed=2), rows(16, seed=3)))
    found = torch.autograd.grad(gaussian_w2(x, y, lx.softmax(0), ly.softmax(0)), (x, y, lx, ly))
    values, cross = [moments(x, lx.softmax(0)), moments(y, ly.softmax(0))], 0
    (mx, cx), (my, cy) = values
    vals, vecs = torch.linalg.eigh(cx)
    root = vecs @ torch.diag(vals.sqrt()) @ vecs.T
    cross = torch.linalg.eigvalsh(root @ cy @ root).sqrt().sum()
    dense = (mx - my).square().sum() + cx.trace() + cy.trace() - 2 * cross
    for a, b in zip(found, torch.autograd.grad(dense, (x, y, lx, ly)), strict=True):
        assert (a - b).abs().max() < 1e-4 * b.abs().max()


@pytest.mark.parametrize(('t', 'n'), [(5, 5), (4, 7), (3, 1)])
def test_gradients_equal_finite_differences_of_the_dense_formula(t, n):
    """T < D: both covariances are singular, and autograd through the dense form would divide by 0."""
    x, y = rows(t, 16, scale=0.3).requires_grad_(), rows(n, 16, seed=1, scale=0.3).requires_grad_()
    wx = rows(t, seed=2).softmax(0)
    grads = torch.autograd.grad(gaussian_w2(x, y, wx), (x, y))
    for seed in range(3):
        dx, dy = rows(t, 16, seed=10 + seed), rows(n, 16, seed=20 + seed)
        h = 1e-5
        with torch.no_grad():
            slope = (dense_w2(x + h * dx, y + h * dy, wx) - dense_w2(x - h * dx, y - h * dy, wx)) / (2 * h)
        assert float((grads[0] * dx).sum() + (grads[1] * dy).sum()) == pytest.approx(float(slope), rel=1e-4, abs=1e-6)


def test_all_pairs_by_broadcasting():
    x, y = rows(3, 1, 4, 10), rows(1, 5, 6, 10, seed=1)
    found = gaussian_w2(x, y)
    expected = torch.stack([torch.stack([dense_w2(x[i, 0], y[0, j]) for j in range(5)]) for i in range(3)])
    assert found.shape == (3, 5) and (found - expected).abs().max() < 1e-6


def test_moving_together_is_free_and_apart_costs_the_square():
    x, shift = rows(5, 12), rows(12, seed=4)
    assert gaussian_w2(x, x + shift).item() == pytest.approx(float(shift @ shift), abs=1e-9)
    assert gaussian_w2(x - x.mean(0), 3 * (x - x.mean(0))).item() == pytest.approx(4 * float(moments(x)[1].trace()), abs=1e-9)


@pytest.mark.parametrize(('t', 'd'), [(1, 6), (5, 16), (12, 8)])
def test_entropy_is_that_of_torchs_normal(t, d):
    x = rows(t, d).requires_grad_()
    mean, cov = moments(x)
    expected = MultivariateNormal(mean, cov + 1e-2 * torch.eye(d, dtype=x.dtype)).entropy()
    found = gaussian_entropy(x, eps=1e-2)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    grad, dense = torch.autograd.grad(found, x)[0], torch.autograd.grad(expected, x)[0]
    assert (grad - dense).abs().max() <= 1e-4 * dense.abs().max() + 1e-12
    w = rows(t, seed=1).softmax(0)
    cov = moments(x, w)[1]
    expected = 0.5 * torch.logdet(2 * math.pi * math.e * (cov + 1e-2 * torch.eye(d, dtype=x.dtype)))
    assert gaussian_entropy(x, 1e-2, w).item() == pytest.approx(expected.item(), abs=1e-6)


def test_relative_entropy_is_the_rise_over_equal_rows_per_degree_of_freedom():
    x = rows(3, 5, 16)
    floor = gaussian_entropy(torch.ones(5, 16, dtype=torch.float64))
    assert torch.allclose(relative_entropy(x), (gaussian_entropy(x) - floor) / 4, atol=1e-9)
    assert relative_entropy(torch.ones(5, 16)).abs() < 1e-9 and relative_entropy(torch.ones(1, 16)) == 0
    w = torch.tensor([0.5, 0.3, 0.2, 0., 0.], dtype=torch.float64)  # three real rows: two degrees of freedom
    assert torch.allclose(relative_entropy(x, w=w), relative_entropy(x[:, :3], w=w[:3]), atol=1e-12)
    assert torch.allclose(relative_entropy(x, w=w), (gaussian_entropy(x, w=w) - floor) / 2, atol=1e-9)


@pytest.mark.parametrize('garbage', [1e4, torch.inf, torch.nan])
def test_padding_changes_nothing(garbage):
    x, y = rows(2, 3, 8), rows(2, 4, 8, seed=1)
    wx, wy = rows(2, 3, seed=2).softmax(1), rows(2, 4, seed=3).softmax(1)
    inputs = [t.requires_grad_() for t in (x, y, wx, wy)]
    filled = [torch.cat((x, x.new_full((2, 2, 8), garbage)), 1), y, torch.cat((wx, wx.new_zeros(2, 2)), 1), wy]
    for function in (gaussian_w2, lambda x, y, wx, wy: gaussian_entropy(x, w=wx) + relative_entropy(y, w=wy)):
        plain, padded = function(*inputs), function(*filled)
        assert (plain - padded).abs().max() < 1e-9
        grads = [torch.autograd.grad(out.sum(), inputs) for out in (plain, padded)]
        for a, b in zip(*grads, strict=True):
            assert (a - b).abs().max() < 1e-7


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('case', ['equal rows', 'one row', 'both equal', 'zeros'])
def test_gradients_are_finite_where_covariances_vanish(case, dtype):
    x, y = rows(5, 32).to(dtype), rows(5, 32, seed=1).to(dtype)
    if case == 'one row':
        x = x[:1]
    elif case == 'zeros':
        x, y = torch.zeros_like(x), torch.zeros_like(y)
    else:
        x = x[:1].repeat(5, 1)
        y = x.clone() if case == 'both equal' else y
    x.requires_grad_(), y.requires_grad_()
    (gaussian_w2(x, y) + gaussian_entropy(x) + relative_entropy(y)).backward()
    assert x.grad.isfinite().all() and y.grad.isfinite().all()
    if case == 'equal rows':  # the subgradient of least norm moves all rows alike, whatever direction rounding gave them
        shift = 2 * (x.mean(0) - y.mean(0)).detach() / 5
        w2_grad, = torch.autograd.grad(gaussian_w2(x, y), x)
        assert (w2_grad - shift).abs().max() < 1e-5


@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_values_are_the_same_where_no_gradient_is_wanted(dtype, tolerance):
    x, y = rows(3, 1, 5, 32).to(dtype), rows(1, 4, 6, 32, seed=1).to(dtype)
    x[0] = x[0, :, :1]  # equal rows
    plain = gaussian_w2(x, y), gaussian_entropy(x), relative_entropy(y)
    assert not any(value.requires_grad for value in plain)
    x.requires_grad_(), y.requires_grad_()
    for found, expected in zip(plain, (gaussian_w2(x, y), gaussian_entropy(x), relative_entropy(y)), strict=True):
        assert expected.requires_grad and found.dtype == dtype
        assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_half_precision_and_autocast_compute_in_float32():
    x, y = rows(5, 64).float(), rows(5, 64, seed=1).float()
    expected = gaussian_w2(x, y), gaussian_entropy(x)
    with torch.autocast('cpu', torch.bfloat16):
        found = gaussian_w2(x, y), gaussian_entropy(x)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    assert gaussian_w2(x.bfloat16(), y).dtype == torch.float32
    assert gaussian_w2(x.bfloat16(), y).item() == pytest.approx(expected[0].item(), rel=1e-2)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation returns."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(x, torch.Tensor):
                self.numel = max(self.numel, x.numel())
        return out


@pytest.mark.parametrize('t', [3, 6])
def test_memory_grows_with_rows_not_with_the_square_of_the_width(t):
    b, d = 4, 512
    x, y = rows(b, 1, t, d).requires_grad_(), rows(1, b, t, d, seed=1).requires_grad_()
    with Largest() as largest:
        (gaussian_w2(x, y).sum() + gaussian_entropy(x).sum()).backward()
    assert largest.numel == b * t * d < d * d  # nothing beyond the rows themselves, for all B² pairs, backward included


def test_shapes_that_do_not_fit_are_named():
    x = torch.zeros(4, 8)
    with pytest.raises(ValueError, match=r'\(4, 8\) and \(4, 7\)'):
        gaussian_w2(x, torch.zeros(4, 7))
    with pytest.raises(ValueError, match=r'rows of shape \(4, 8\) need as many weights, got shape \(3,\)'):
        gaussian_w2(x, x, wy=torch.ones(3) / 3)
    with pytest.raises(ValueError, match='T of at least 1'):
        gaussian_entropy(x[:0])
    with pytest.raises(ValueError, match='eps'):
        gaussian_entropy(x, eps=0)


def test_padding_leaves_eigenvalues_finite_in_single_precision():
    """Weights of the smallest float in place of 0 made LAPACK's eigh return NaN for some of many padded sets."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 6, 96, generator=g)
    x[:, 3:] = 0
    w = torch.tensor([1 / 3] * 3 + [0.] * 3).expand(2000, -1)
    entropy = relative_entropy(F.normalize(x, dim=-1), 1e-3, w)
    assert torch.isfinite(entropy).all()
    assert torch.allclose(entropy, relative_entropy(F.normalize(x[:, :3], dim=-1), 1e-3), atol=1e-4)
