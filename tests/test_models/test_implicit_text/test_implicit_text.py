import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope

from mmicf.models.implicit_text import ImplicitText, clip_elements
from mmicf.models.necks import MITContext, segment_starts
from mmicf.registry import MODELS

D, AUDIO, WIDTH, TOKEN = 16, 12, 10, 6


@MODELS.register_module(force=True)
class ToyTextEncoder(torch.nn.Module):
    """Stands for a frozen text tower: a fixed nonlinear map of the pseudo-tokens, whose order matters."""
    embed_dims, token_dims = WIDTH, TOKEN

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer('table', torch.randn(4 * TOKEN, WIDTH, generator=generator) * 3, persistent=False)

    def forward(self, pseudo):
        return torch.tanh(pseudo.flatten(1) @ self.table.to(pseudo))


def build(**options):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    towers = dict(visual_encoder=dict(type='ToyTextEncoder'), audio_encoder=dict(type='ToyTextEncoder', seed=1))
    model = ImplicitText(**towers, embed_dims=D, audio_dims=AUDIO, num_prompts=3, **options)
    for side in (model.visual, model.audio):
        side.weight_query.data.normal_()
        for layer in side.condition.values():
            layer.weight.data.normal_()
    return model


def batch(lengths, num_segments=2):
    torch.manual_seed(1)
    n = sum(lengths)
    context = MITContext(*(torch.randn(n, D, 2, 3) for _ in range(3)), num_segments)
    return context, torch.randn(n, AUDIO), torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))


def plain_text(model, side, features, anchor, spans):
    """Eq. 3-4 of one clip and one modality with loops: element texts, scores."""
    texts, scores = [], []
    for level, frames in spans:
        pooled = features[level][frames].mean(0)
        pseudo = side.prompts[level] + side.condition[level](pooled)
        candidates = F.normalize(side.encoder(pseudo), dim=-1)
        query = side.proj[level](pooled)
        if anchor is not None:
            query = F.normalize(query, dim=0) + F.normalize(F.normalize(anchor[frames], dim=-1).mean(0), dim=0)
        sims = torch.stack([F.cosine_similarity(query, c, dim=0) for c in candidates])
        text = sum(w * c for w, c in zip((sims / 0.07).softmax(0), candidates, strict=True))
        texts.append(text)
        scores.append(text @ side.weight_query / WIDTH**0.5)
    return torch.stack(texts), torch.stack(scores)


@pytest.mark.parametrize('anchored', [False, True])
def test_text_equals_equations_3_to_5(anchored):
    model, lengths = build(), [5, 1, 3]
    context, audio, index = batch(lengths)
    image = torch.randn(9, WIDTH) if anchored else None
    heard = torch.randn(9, WIDTH) if anchored else None
    text, _ = model(context, audio, index, image_anchor=image, audio_anchor=heard)
    first = 0
    for clip, t in enumerate(lengths):
        starts, window = segment_starts(t, 2)
        frames = torch.arange(first, first + t)
        spans = [('video', frames)] + [('segment', frames[s:s + window]) for s in starts] + [('frame', f[None]) for f in frames]
        maps = {p: getattr(context, p).mean((2, 3)) for p in ('video', 'segment', 'frame')}
        lv, wv = plain_text(model, model.visual, maps, image, spans)
        la, wa = plain_text(model, model.audio, dict.fromkeys(maps, audio), heard, spans)
        gated = [x * gate.mlp(x).sigmoid() for x, gate in ((lv, model.visual_gate), (la, model.audio_gate))]
        tokens = F.layer_norm(model.fuse(torch.cat(gated, -1)), (D, ))
        count = len(spans)
        assert count == 1 + len(starts) + t and text.valid[clip].sum() == count
        assert torch.allclose(text.tokens[clip, :count], tokens, atol=1e-5)
        assert torch.allclose(text.weight[clip, :count], (wv + wa).softmax(0), atol=1e-6)
        assert torch.allclose(text.visual[clip], wv.softmax(0) @ lv, atol=1e-5)
        assert torch.allclose(text.audio[clip], wa.softmax(0) @ la, atol=1e-5)
        assert text.tokens[clip, count:].abs().sum() == 0 and text.weight[clip, count:].sum() == 0
        first += t


def test_a_clip_does_not_depend_on_its_batch():
    model = build(loss_weight=0.)
    context, audio, index = batch([5, 2])
    both, _ = model(context, audio, index)
    alone, _ = model(MITContext(*(x[5:] for x in context[:3]), 2), audio[5:], index[5:] - 1)
    count = int(alone.valid.sum())
    assert torch.allclose(both.tokens[1, :count], alone.tokens[0], atol=1e-6)
    assert torch.allclose(both.weight[1, :count], alone.weight[0], atol=1e-6)
    assert torch.allclose(both.audio[1], alone.audio[0], atol=1e-6)


@pytest.mark.parametrize('levels, counts', [(('frame', ), [5, 2]), (('frame', 'video'), [6, 3]), (('segment', ), [2, 2]),
                                            (('video', 'segment', 'frame'), [8, 5])])
def test_levels_set_the_elements(levels, counts):
    text, _ = build(levels=levels)(*batch([5, 2]))
    assert text.valid.sum(1).tolist() == counts
    assert torch.allclose(text.weight.sum(1), torch.ones(2))


def test_pooling_averages_frames_of_segments():
    elements = clip_elements(torch.tensor([0, 0, 0, 0, 0, 1]), 2)
    x = torch.arange(6.)[:, None]
    assert (elements.pool['segment'] @ x)[:, 0].tolist() == pytest.approx([1., 3., 5.])
    assert (elements.pool['video'] @ x)[:, 0].tolist() == pytest.approx([2., 5.])
    rows = elements.scatter({p: w @ x for p, w in elements.pool.items()})
    assert rows[1, :, 0].tolist() == pytest.approx([5, 5, 5, 0, 0, 0, 0, 0])


def test_gradients_reach_every_parameter():
    model = build()
    context, audio, index = batch([5, 2])
    audio.requires_grad_()
    text, losses = model(context, audio, index)
    loss = losses['loss_mit'] + ((text.tokens * torch.randn_like(text.tokens)).sum(-1) * text.weight).sum()
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
    assert audio.grad.abs().sum() > 0


def test_hard_retrieval_takes_the_best_text_and_keeps_the_gradient():
    model = build(retrieval='top1')
    query = F.normalize(torch.randn(4, WIDTH), dim=-1).requires_grad_()
    texts = F.normalize(torch.randn(4, 3, WIDTH), dim=-1)
    found = model.visual.retrieve(query, texts)
    best = (query[:, None] * texts).sum(-1).argmax(1)
    assert torch.allclose(found, texts[torch.arange(4), best], atol=1e-6)
    found.sum().backward()
    assert query.grad.abs().sum() > 0


def test_retrieval_and_its_choice_do_not_change_under_autocast():
    for retrieval in ('soft', 'top1'):
        model = build(retrieval=retrieval)
        query = F.normalize(torch.randn(64, WIDTH), dim=-1)
        texts = F.normalize(torch.randn(WIDTH) + 0.02 * torch.randn(64, 5, WIDTH), dim=-1)  # as alike as a clip's texts are
        exact = model.visual.retrieve(query, texts)
        with torch.autocast('cpu', torch.bfloat16):
            similar = model.visual.retrieve(query, texts)
        assert torch.equal(similar, exact), retrieval


def test_evaluation_gathers_nothing_over_ranks(monkeypatch):
    model = build().eval()
    monkeypatch.setattr('mmicf.models.implicit_text.implicit_text.gather_rows', None)  # a call would fail
    text, losses = model(*batch((2, 1)))
    assert losses == {} and text.tokens.isfinite().all()
    with pytest.raises(TypeError):
        model.train()(*batch((2, 1)))


def test_infonce_prefers_own_text():
    model = build()
    elements = clip_elements(torch.tensor([0, 0, 1, 1, 2]), 2)
    features = F.normalize(torch.randn(3, elements.valid.shape[1], WIDTH), dim=-1) * elements.valid[..., None]
    own, other = model._infonce(features, features, elements), model._infonce(features, features.roll(1, 0), elements)
    assert own < 0.2 < other
    # one level, by hand
    video = elements._replace(slots={'video': elements.slots['video']})
    texts = torch.randn_like(features)
    rows = F.normalize(features[:, 0], dim=-1) @ F.normalize(texts[:, 0], dim=-1).T / 0.07
    plain = -(rows.log_softmax(1).diagonal().mean() + rows.log_softmax(0).diagonal().mean()) / 2
    assert torch.allclose(model._infonce(features, texts, video), plain, atol=1e-5)


def test_single_frame_identical_frames_and_one_clip_stay_finite():
    model = build()
    context, audio, index = batch([1])
    text, losses = model(context, audio, index)
    assert torch.isfinite(text.tokens).all() and losses['loss_mit'].item() == pytest.approx(0, abs=1e-6)
    same = MITContext(*(x.expand(4, -1, -1, -1).contiguous().requires_grad_() for x in context[:3]), 2)
    text, losses = model(same, torch.zeros(4, AUDIO), torch.zeros(4, dtype=torch.long))
    (text.tokens.sum() + losses['loss_mit']).backward()
    assert torch.isfinite(same.video.grad).all()


@pytest.mark.parametrize('options, found', [(dict(levels=()), 'levels'), (dict(levels=('clip', )), 'clip'),
                                            (dict(retrieval='best'), 'retrieval')])
def test_wrong_options(options, found):
    with pytest.raises(ValueError, match=found):
        build(**options)


def test_anchor_of_another_width():
    with pytest.raises(ValueError, match='anchor embeddings are 7 wide, the text tower 10'):
        build()(*batch([2]), image_anchor=torch.randn(2, 7))


def test_loss_mit_carries_its_weight():
    small, large = (build(loss_weight=w)(*batch([3, 2]))[1]['loss_mit'] for w in (0.1, 0.3))
    assert small > 0 and torch.allclose(large, 3 * small)


def test_weighted_sums_stay_in_float32_under_autocast():
    with torch.autocast('cpu', torch.bfloat16):
        text, _ = build()(*batch([5, 2]))
    assert text.tokens.dtype == text.weight.dtype == text.visual.dtype == text.audio.dtype == torch.float32
