"""Eq. 7, 8 and 10: orthogonal directions, exact cosines, and where L_ortho is smallest."""
import pytest
import torch
import torch.nn.functional as F

from mmicf.models.counterfactuals.rotation import ortho_loss, orthogonal_direction, rotate, rotate_tokens, weighted_mean

B, K, P, D = 2, 3, 4, 32


def tokens(*shape, seed=0):
    return torch.randn(*shape, D, generator=torch.Generator().manual_seed(seed))


def cosine(a, b):
    return F.cosine_similarity(a, b, dim=-1)


def test_directions_are_orthogonal_to_z_and_to_each_other():
    z = tokens(B, K, P)
    unit = F.normalize(z, dim=-1)
    first = orthogonal_direction(tokens(B, K, 1, seed=1).expand_as(z), unit)
    second = orthogonal_direction(tokens(B, K, P, seed=2), unit, first)
    for a, b in ((first, unit), (second, unit), (second, first)):
        assert (a * b).sum(-1).abs().max() < 1e-6
    assert torch.allclose(second.norm(dim=-1), torch.ones(B, K, P), atol=1e-6)


@pytest.mark.parametrize('rate', [0., 0.3, 1.])
def test_rate_sets_the_cosine_and_keeps_the_norm(rate):
    z = tokens(P)
    r = orthogonal_direction(tokens(P, seed=1), F.normalize(z, dim=-1))
    out = rotate(z, r, torch.tensor(rate))
    assert torch.allclose(cosine(out, z), torch.full((P, ), (1 - rate)**0.5), atol=1e-6)
    assert torch.allclose(out.norm(dim=-1), z.norm(dim=-1), atol=1e-5)
    if rate == 0:
        assert torch.equal(out, z)


@pytest.mark.parametrize('inter, intra', [(True, False), (False, True), (True, True)])
def test_both_rotations_give_the_product_of_their_cosines(inter, intra):
    z = tokens(B, K, P)
    clip_rate = torch.rand(B, K, 1, 1) if inter else torch.zeros(B, K, 1, 1)
    token_rate = torch.rand(B, K, P, 1) if intra else torch.zeros(B, K, P, 1)
    out = rotate_tokens(z, tokens(B, K, 1, seed=1) if inter else None, tokens(B, K, P, seed=2) if intra else None, clip_rate,
                        token_rate)
    expected = ((1 - clip_rate) * (1 - token_rate)).sqrt().expand(B, K, P, 1)[..., 0]
    assert torch.allclose(cosine(out, z), expected, atol=1e-5)
    assert torch.allclose(out.norm(dim=-1), z.norm(dim=-1), atol=1e-4)


@pytest.mark.parametrize('inter, intra', [(True, False), (False, True), (True, True)])
def test_rate_zero_changes_nothing_and_rate_one_is_orthogonal_at_full_width(inter, intra):
    """Noisy tokens of 256 dimensions and norm √256, as SC rotates them."""
    g = torch.Generator().manual_seed(3)
    z = torch.randn(4, 16, 10, 256, generator=g)
    clip_r = torch.randn(4, 16, 1, 256, generator=g) if inter else None
    token_r = torch.randn(4, 16, 10, 256, generator=g) if intra else None
    assert torch.equal(rotate_tokens(z, clip_r, token_r, torch.zeros(1), torch.zeros(1)), z)
    for clip_rate, token_rate in {(float(inter), 0.), (0., float(intra)), (float(inter), float(intra))} - {(0., 0.)}:
        out = rotate_tokens(z, clip_r, token_r, torch.full((1, ), clip_rate), torch.full((1, ), token_rate))
        assert cosine(out, z).abs().max() < 1e-6
    unit = F.normalize(z, dim=-1)
    for r in (clip_r, token_r):
        if r is not None:
            assert (orthogonal_direction(r.expand_as(z), unit) * unit).sum(-1).abs().max() < 1e-6


def test_full_intra_sample_rotation_is_orthogonal_token_by_token():
    z = tokens(B, K, P)
    out = rotate_tokens(z, None, tokens(B, K, P, seed=2), torch.zeros(1), torch.ones(B, K, P, 1))
    assert cosine(out, z).abs().max() < 1e-6


def test_inter_sample_rotation_shares_a_direction_within_a_clip():
    z = tokens(1, 1, P)
    r = tokens(1, 1, 1, seed=1)
    moved = rotate_tokens(z, r, None, torch.ones(1), torch.zeros(1))
    plane = torch.cat([z[0, 0], r[0, 0]])  # each token moves in the plane of itself and r
    for p in range(P):
        basis = torch.stack([plane[p], plane[P]])
        solved = torch.linalg.lstsq(basis.T, moved[0, 0, p][:, None]).solution
        assert torch.allclose(basis.T @ solved, moved[0, 0, p][:, None], atol=1e-4)


@pytest.mark.parametrize('weight', [0.8, 1.6])
def test_ortho_loss_has_its_optimum_at_cosine_one_over_two_and_a_half_lambda(weight):
    z = F.normalize(tokens(1), dim=-1)
    r = orthogonal_direction(tokens(1, seed=1), z)
    cosines = torch.linspace(-1, 1, 2001)[:, None]
    losses = ortho_loss(cosines * z + (1 - cosines**2).sqrt() * r, z.expand(2001, -1), weight)
    assert cosines[losses.argmin()].item() == pytest.approx(1 / (weight * 2.5), abs=2e-3)
    c = cosines[:, 0]
    assert torch.allclose(losses, 2.5 * (2 - 2 * c) + weight * (2.5 * c)**2, atol=1e-4)


def test_weighted_mean_is_the_mean_of_the_clip_s_gaussian():
    x, weight = tokens(B, P), torch.rand(B, P)
    weight = weight / weight.sum(1, keepdim=True)
    assert torch.allclose(weighted_mean(x, weight)[1], sum(w * t for w, t in zip(weight[1], x[1], strict=True)), atol=1e-6)
