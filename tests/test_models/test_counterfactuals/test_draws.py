"""Numbers of a clip: the same in every batch, others for another clip or use."""
import torch

from mmicf.models.counterfactuals.draws import clip_normal, clip_uniform, token_normal
from mmicf.utils.random import publish_iteration

CPU = torch.device('cpu')


def test_a_clip_draws_the_same_numbers_in_any_batch_and_new_ones_each_iteration():
    for draw in (clip_normal, clip_uniform):
        pair = draw(['a', 'b'], 'x', (2, 50), CPU)
        assert torch.equal(pair[1], draw(['b'], 'x', (2, 50), CPU)[0]) and not torch.equal(pair[0], pair[1])
        publish_iteration(1)
        later = draw(['a', 'b'], 'x', (2, 50), CPU)
        publish_iteration(0)
        assert not torch.equal(pair, later) and not torch.equal(pair, draw(['a', 'b'], 'y', (2, 50), CPU))


def test_numbers_have_their_distribution_and_uses_are_uncorrelated():
    names = [f'clip{i}' for i in range(20)]
    x, y = (clip_normal(names, stream, (1000, ), CPU).flatten() for stream in ('sc.noise', 'sc.rotation.token'))
    u = clip_uniform(names, 'x', (1000, ), CPU)
    assert abs(x.mean()) < 0.03 and abs(x.std() - 1) < 0.03 and abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 0.03
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.01


def test_tokens_draw_by_their_own_number_of_tokens():
    valid = torch.tensor([[True, True, False], [True, True, True]])
    numbers = token_normal(['a', 'b'], 'x', valid, 4, 6)
    assert numbers.shape == (2, 4, 3, 6) and numbers[0, :, 2].abs().sum() == 0 and numbers[1].abs().min() > 0
    assert torch.equal(numbers[0, :, :2], token_normal(['a'], 'x', valid[:1, :2], 4, 6)[0])
