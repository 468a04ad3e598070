"""CDCL against equations 15 to 17 written out clip by clip, and its behaviour at the edges."""
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmicf.models.losses import CDCLLoss, gaussian_w2, relative_entropy
from mmicf.registry import MODELS
from mmicf.structures import Counterfactuals, FactualText

MODES = ('distribution', 'prototype', 'feature')
LENGTHS = (3, 5, 1, 4)
D, P, K = 24, 4, 3


def batch(lengths=LENGTHS, seed=0, dtype=torch.float64, dims=D, spread=0.5):
    """Clips whose modalities share a direction, with frames around it; the first clip's text has a padded token."""
    g = torch.Generator().manual_seed(seed)
    b, index = len(lengths), torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))

    def noise(*shape):
        return torch.randn(*shape, generator=g, dtype=dtype)

    topic = noise(b, dims)
    visual, audio = (3 * topic[index] + spread * 3 * noise(len(index), dims) for _ in range(2))
    tokens = F.layer_norm(topic[:, None] + spread * noise(b, P, dims), (dims,))
    valid = torch.ones(b, P, dtype=torch.bool)
    valid[0, -1] = False
    weight = noise(b, P).masked_fill(~valid, -torch.inf).softmax(1)
    text = FactualText(tokens, weight, valid, topic, noise(b, 7))
    pool = Counterfactuals(F.layer_norm(noise(b, K, P, dims), (dims,)), noise(b, K).softmax(1))
    return visual, audio, index, text, pool


def set_distance(loss, x, y, wx, wy):
    """D of one pair of sets, from the rows themselves."""
    keep_x, keep_y = wx > 0, wy > 0
    x, y, wx, wy = F.normalize(x[keep_x], dim=1), F.normalize(y[keep_y], dim=1), wx[keep_x], wy[keep_y]
    if loss.mode == 'prototype':
        return 2 - 2 * F.cosine_similarity(wx @ x, wy @ y, dim=0)
    if loss.mode == 'feature':
        near = sum(wx[i] * wy[j] * (-(x[i] - y[j]).square().sum() / loss.temperature).exp()
                   for i in range(len(x)) for j in range(len(y)))
        return -loss.temperature * near.log()
    return gaussian_w2(x, y, wx, wy) + 0.1 * (relative_entropy(x, 1e-3, wx) + relative_entropy(y, 1e-3, wy))


def by_hand(loss, visual, audio, index, text, pool, positives):
    """Means over clips of Eq. 16 and 17, unweighted."""
    clips = int(index.max()) + 1

    def near(x, y, wx=None, wy=None):
        wx = torch.full((len(x),), 1 / len(x), dtype=x.dtype) if wx is None else wx
        wy = torch.full((len(y),), 1 / len(y), dtype=x.dtype) if wy is None else wy
        return (-set_distance(loss, x, y, wx, wy) / loss.temperature).exp()

    v, a = ([x[index == i] for i in range(clips)] for x in (visual, audio))
    kernel = torch.stack([torch.stack([near(v[i], a[j]) for j in range(clips)]) for i in range(clips)])
    va = []
    for i in range(clips):
        if len(positives[i]) < clips:
            va.append(sum(-(m[i, positives[i]].sum() / m[i].sum()).log() for m in (kernel, kernel.T)) / 2)
    out = {'va': sum(va) / len(va)}
    for pair, sets in (('al', a), ('vl', v)):
        total = 0
        for i in range(clips):
            good = near(sets[i], text.tokens[i], None, text.weight[i])
            bad = sum(pool.weight[i, k] * near(sets[i], pool.tokens[i, k], None, text.weight[i]) for k in range(K))
            total = total - (good / (good + bad)).log()
        out[pair] = total / clips
    return out


@pytest.mark.parametrize('mode', MODES)
def test_losses_and_gradients_equal_equations_15_to_17(mode):
    loss = MODELS.build(dict(type='CDCLLoss', mode=mode, temperature=0.5, loss_weight=2.,
                             pair_weights=dict(va=0.5, al=0.25, vl=1.)))
    visual, audio, index, text, pool = batch()
    anchor = torch.eye(4)[[0, 1, 0, 2]]  # clips 0 and 2 sound alike
    leaves = [x.requires_grad_() for x in (visual, audio, text.tokens)]
    losses, logs = loss(visual, audio, index, text, pool, anchor)
    expected = by_hand(loss, visual, audio, index, text, pool, [[0, 2], [1], [0, 2], [3]])
    assert list(losses) == ['loss_va', 'loss_al', 'loss_vl']
    for pair, weight in (('va', 1.), ('al', 0.5), ('vl', 2.)):
        assert losses[f'loss_{pair}'].item() == pytest.approx(weight * expected[pair].item(), abs=1e-8)
    grads = torch.autograd.grad(sum(losses.values()), leaves)
    dense = torch.autograd.grad(expected['va'] + 0.5 * expected['al'] + 2 * expected['vl'], leaves)
    for a, b in zip(grads, dense, strict=True):
        assert b.abs().max() > 1e-3 and (a - b).abs().max() < 1e-6
    assert logs['positive_rate'].item() == pytest.approx(2 / 12)


@pytest.mark.parametrize('mode', MODES)
def test_loss_falls_when_positives_approach_and_rises_when_negatives_do(mode):
    loss = CDCLLoss(mode=mode, temperature=0.5)
    visual, audio, index, text, pool = batch(lengths=(4, 4, 4))
    wrong = audio.view(3, 4, -1).roll(1, 0).flatten(0, 1)  # what another clip sounds like

    def at(pull):
        moved = torch.lerp(F.normalize(audio, dim=1), F.normalize(visual, dim=1), pull) if pull >= 0 else \
            torch.lerp(F.normalize(audio, dim=1), F.normalize(wrong, dim=1), -pull)
        return loss(visual, moved, index)[0]['loss_va'].item()

    assert at(0.6) < at(0.3) < at(0.) < at(-0.3) < at(-0.6)

    def with_text(good, bad):
        """z moves to the clip's sight by ``good``, its counterfactuals by ``bad``."""
        target = F.normalize(visual, dim=1).view(3, 4, D)
        z = text._replace(tokens=torch.lerp(F.normalize(text.tokens, dim=2), target, good))
        cf = pool._replace(tokens=torch.lerp(F.normalize(pool.tokens, dim=3), target[:, None], bad))
        return loss(visual, audio, index, z, cf)[0]['loss_vl'].item()

    assert with_text(0.6, 0) < with_text(0.3, 0) < with_text(0, 0) < with_text(0, 0.3) < with_text(0, 0.6)


def test_hard_counterfactuals_weigh_as_their_w():
    """All weight on the negative that equals z: the loss is log 2; on the others: the loss without it."""
    loss = CDCLLoss(pair_weights=dict(va=0., al=0., vl=1.), loss_weight=1.)
    visual, audio, index, text, pool = batch()
    tokens = pool.tokens.clone()
    tokens[:, 1] = text.tokens
    one = torch.eye(K, dtype=tokens.dtype)[[1] * 4]
    assert loss(visual, audio, index, text, Counterfactuals(tokens, one))[0]['loss_vl'].item() == pytest.approx(0.693147, abs=1e-5)
    others = loss(visual, audio, index, text, Counterfactuals(tokens, (1 - one) / 2))[0]['loss_vl']
    without = loss(visual, audio, index, text, Counterfactuals(tokens[:, [0, 2]], torch.full((4, 2), 0.5)))[0]['loss_vl']
    assert others.item() == pytest.approx(without.item(), rel=1e-9)


def test_entropy_adds_to_the_distance():
    """γ of Eq. 15: the entropies are part of the distance, and looser sets add more."""
    visual, audio, index, *_ = batch(lengths=(5, 5))
    with_entropy, logs = CDCLLoss(entropy_weight=0.1)(visual, audio, index)
    without, no_logs = CDCLLoss(entropy_weight=0.)(visual, audio, index)
    assert with_entropy['loss_va'] != without['loss_va']
    assert 0 < logs['entropy_share'] < 0.6 and no_logs['entropy_share'] == 0
    visual, audio, index, text, pool = batch(lengths=(5, 5))
    pool = pool._replace(tokens=text.tokens[:, None].repeat(1, K, 1, 1))

    def loosened(scale):
        """loss_vl where the counterfactuals are z, spread around z's mean by ``scale``: W₂ alone would fall for some scale."""
        unit = F.normalize(pool.tokens, dim=-1)
        mean = (unit * text.weight[:, None, :, None]).sum(2, keepdim=True)
        return CDCLLoss(entropy_weight=1000.)(visual, audio, index, text, pool._replace(tokens=torch.lerp(mean, unit, scale)))

    tight, same, loose = (loosened(scale)[0]['loss_vl'].item() for scale in (0.1, 1., 4.))
    assert loose < same < tight  # the tighter of two candidates is the nearer


def test_positive_sets():
    loss = CDCLLoss(positive_threshold=0.8)

    def sets(anchor, size):
        found = loss.positives(None if anchor is None else torch.tensor(anchor), size, torch.device('cpu'))
        return [row.nonzero().flatten().tolist() for row in found]

    a, b, near_a, apart = [1., 0., 0.], [0., 1., 0.], [0.9, 0.4, 0.], [0., 0.2, 1.]
    assert sets(None, 3) == [[0], [1], [2]]
    assert sets([a, a, b, apart], 4) == [[0, 1], [0, 1], [2], [3]]  # exactly half of the batch
    assert sets([a, a, b], 3) == [[0], [1], [2]]  # two of three are more than half
    assert sets([a, a, a, b], 4) == [[0], [1], [2], [3]]
    assert sets([a, near_a, [0.4, 0.9, 0.], b], 4) == [[0, 1], [0, 1], [2, 3], [2, 3]]
    # cosine is no equivalence: the clip in the middle sounds like both others, too many for its own half of the batch
    assert sets([a, [0.85, 0.5268, 0.], [0.445, 0.8955, 0.], apart], 4) == [[0, 1], [1], [1, 2], [3]]
    assert sets([a], 1) == [[0]]


def rate(loss, *inputs):
    return loss(*inputs)[1]['positive_rate'].item()


def test_which_anchor_says_that_clips_sound_alike():
    loss = CDCLLoss()
    visual, audio, index, text, pool = batch()
    common = 10 * torch.ones(7, dtype=torch.float64)
    alike = F.one_hot(torch.tensor([0, 1, 0, 2]), 7).double()
    assert rate(loss, visual, audio, index) == 0  # nothing to tell
    # text embeddings lie in a narrow cone: only what is left without their mean says who is alike
    assert F.cosine_similarity(alike[0] + common, alike[1] + common, dim=0) > 0.8
    by_text = text._replace(audio=alike + common)
    assert rate(loss, visual, audio, index, by_text, pool) == pytest.approx(2 / 12)
    # a frozen audio embedding comes first, and is not centred
    assert rate(loss, visual, audio, index, by_text, pool, torch.eye(4)) == 0
    assert rate(loss, visual, audio, index, None, None, torch.eye(4)[[0, 1, 1, 2]]) == pytest.approx(2 / 12)
    # one row per frame is averaged over the clip: clip 1 of five frames sounds like clip 0 in four of them
    frames = torch.eye(4)[index]
    frames[3:7] = frames[0]
    assert rate(loss, visual, audio, index, None, None, frames) == pytest.approx(2 / 12)
    # the partition is a constant
    text.audio.requires_grad_()
    total = sum(loss(visual.requires_grad_(), audio, index, text, pool)[0].values())
    assert torch.autograd.grad(total, text.audio, allow_unused=True) == (None,)


@pytest.mark.parametrize('mode', MODES)
def test_order_of_clips_and_padding_change_nothing(mode):
    loss = CDCLLoss(mode=mode)
    visual, audio, index, text, pool = batch()
    losses, logs = loss(visual, audio, index, text, pool)
    order = [2, 0, 3, 1]
    frames = torch.cat([(index == i).nonzero().flatten() for i in order])
    new_index = torch.repeat_interleave(torch.arange(4), torch.tensor([LENGTHS[i] for i in order]))
    other, other_logs = loss(visual[frames], audio[frames], new_index, FactualText(*(x[order] for x in text)),
                             Counterfactuals(*(x[order] for x in pool)))
    for found, expected in ((other, losses), (other_logs, logs)):
        assert all(found[name].item() == pytest.approx(expected[name].item(), abs=1e-9) for name in expected)
    for garbage in (1e6, torch.nan):
        def pad(x, fill):
            return torch.cat((x, torch.full_like(x[..., :2, :], fill)), -2)

        longer = text._replace(tokens=pad(text.tokens, garbage), weight=F.pad(text.weight, (0, 2)), valid=F.pad(text.valid, (0, 2)))
        longer.tokens[0, P - 1] = garbage
        tokens = longer.tokens.clone().requires_grad_()
        padded, _ = loss(visual, audio, index, longer._replace(tokens=tokens), pool._replace(tokens=pad(pool.tokens, garbage)))
        assert all(padded[name].item() == pytest.approx(losses[name].item(), abs=1e-9) for name in losses)
        grad, = torch.autograd.grad(sum(padded.values()), tokens)
        assert grad.isfinite().all() and (grad[:, P:] == 0).all() and (grad[0, P - 1] == 0).all()


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('case', ['one clip', 'one frame', 'equal frames', 'equal clips', 'zeros', 'bf16'])
def test_edges_are_finite(mode, case):
    lengths = {'one clip': (5,), 'one frame': (1, 1)}.get(case, LENGTHS)
    visual, audio, index, text, pool = batch(lengths, dtype=torch.float32)
    if case in ('equal frames', 'equal clips'):
        visual = visual[index * 0] if case == 'equal clips' else visual[torch.tensor([0, 3, 8, 9])[index]]
        audio = visual.clone() if case == 'equal clips' else audio[torch.tensor([0, 3, 8, 9])[index]]
        text = text._replace(tokens=text.tokens[:, :1].expand(-1, P, -1), audio=torch.ones(4, 7))
    elif case == 'zeros':
        visual, audio = torch.zeros_like(visual), torch.zeros_like(audio)
        text, pool = (x._replace(tokens=torch.zeros_like(x.tokens)) for x in (text, pool))
    leaves = [x.clone().requires_grad_() for x in (visual, audio, text.tokens)]
    loss = CDCLLoss(mode=mode)
    if case == 'bf16':
        with torch.autocast('cpu', torch.bfloat16):
            losses, logs = loss(leaves[0].bfloat16(), leaves[1].bfloat16(), index, text._replace(tokens=leaves[2]), pool)
            again, _ = loss(leaves[0], leaves[1], index, text._replace(tokens=leaves[2]), pool)
        plain, _ = loss(*leaves[:2], index, text._replace(tokens=leaves[2]), pool)
        assert all(torch.equal(again[name], plain[name]) for name in plain)  # float32 within
        assert all(losses[name].dtype == torch.float32 for name in losses)
        assert all(losses[name].item() == pytest.approx(plain[name].item(), abs=0.02) for name in plain)
    else:
        losses, logs = loss(*leaves[:2], index, text._replace(tokens=leaves[2]), pool)
    assert all(value.isfinite() for value in (*losses.values(), *logs.values()))
    if case == 'one clip':
        assert losses['loss_va'] == 0 and losses['loss_va'].requires_grad and logs['active_va'] == 0
    for grad in torch.autograd.grad(sum(losses.values()), leaves):
        assert grad.isfinite().all() and grad.abs().max() < 1e3


def test_without_text_only_vision_and_audio_are_contrasted():
    visual, audio, index, text, pool = batch()
    loss = CDCLLoss(loss_weight=1., pair_weights=dict(va=1., al=1., vl=1.))
    losses, logs = loss(visual, audio, index)
    assert list(losses) == ['loss_va'] and set(logs) == {'positive_rate', 'active_va', 'entropy_share'}
    per_pair = loss(visual, audio, index, text, pool)[1]
    assert set(per_pair) == {'positive_rate', 'active_va', 'active_al', 'active_vl', 'entropy_share'}


def test_share_of_clips_with_a_loss_above_a_tenth():
    """Two of four clips have a counterfactual that equals z (log 2), the others have one far away (about 0)."""
    loss = CDCLLoss()
    visual, audio, index, text, pool = batch(spread=0.1)
    tokens = -text.tokens[:, None].expand(-1, K, -1, -1).clone()
    tokens[:2] = text.tokens[:2, None]
    logs = loss(visual, audio, index, text, pool._replace(tokens=tokens))[1]
    assert logs['active_al'] == 0.5 and logs['active_vl'] == 0.5


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


@pytest.mark.parametrize('mode', MODES)
def test_no_tensor_of_the_size_of_a_covariance(mode):
    visual, audio, index, text, pool = batch(lengths=(4, 3), dims=512, dtype=torch.float32)
    with Largest() as largest:
        sum(CDCLLoss(mode=mode)(visual.requires_grad_(), audio.requires_grad_(), index, text, pool)[0].values()).backward()
    assert largest.numel == 2 * (1 + K) * P * 512 < 512 * 512  # the pool itself


def test_what_does_not_fit_is_named():
    visual, audio, index, text, pool = batch()
    loss = CDCLLoss()
    with pytest.raises(ValueError, match='mode'):
        CDCLLoss(mode='mean')
    with pytest.raises(ValueError, match='pair_weights'):
        CDCLLoss(pair_weights=dict(va=1.))
    with pytest.raises(ValueError, match='temperature'):
        CDCLLoss(temperature=0.)
    with pytest.raises(ValueError, match=r'\(13, 24\), \(12, 24\)'):
        loss(visual, audio[1:], index)
    with pytest.raises(ValueError, match='text=None'):
        loss(visual, audio, index, None, pool)
    with pytest.raises(ValueError, match='4 clips or 13 frames'):
        loss(visual, audio, index, text, pool, torch.ones(5, 3))
    with pytest.raises(ValueError, match=r'counterfactuals.tokens must be of 4 clips'):
        loss(visual, audio, index, text, pool._replace(tokens=pool.tokens[1:]))


@pytest.mark.parametrize('mode', MODES)
def test_without_counterfactuals_the_texts_of_other_clips_are_the_negatives(mode):
    loss = CDCLLoss(mode=mode, temperature=1.)
    visual, audio, index, text, _ = batch()
    text.tokens.requires_grad_()
    got, _ = loss(visual, audio, index, text)
    total = 0
    for name, rows in (('al', audio), ('vl', visual)):
        per_clip = []
        for i in range(len(LENGTHS)):
            frames = rows[index == i]
            uniform = torch.full((len(frames), ), 1 / len(frames), dtype=rows.dtype)
            near = [(-set_distance(loss, frames, text.tokens[j], uniform, text.weight[j]) / loss.temperature).exp()
                    for j in range(len(LENGTHS))]
            per_clip.append(-(near[i] / sum(near)).log())
        expected = 0.2 * 0.3 * torch.stack(per_clip).mean()
        assert torch.allclose(got[f'loss_{name}'], expected, atol=1e-9)
        total = total + expected
    grad, by_loop = (torch.autograd.grad(x, text.tokens)[0] for x in (got['loss_al'] + got['loss_vl'], total))
    assert by_loop.abs().max() > 1e-4 and (grad - by_loop).abs().max() < 1e-8


def test_entropy_share_is_what_the_entropies_add_to_all_distances():
    visual, audio, index, *_ = batch()
    loss = CDCLLoss(entropy_weight=0.1, eps=1e-3)
    v, a = ([F.normalize(x[index == i], dim=1) for i in range(len(LENGTHS))] for x in (visual, audio))
    entropy = distance = 0
    for x in v:
        for y in a:
            added = 0.1 * (relative_entropy(x, 1e-3) + relative_entropy(y, 1e-3))
            entropy, distance = entropy + added, distance + gaussian_w2(x, y) + added
    share = float(entropy / distance)
    assert 0 < share < 1
    assert loss(visual, audio, index)[1]['entropy_share'].item() == pytest.approx(share, abs=1e-6)
