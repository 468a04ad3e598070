import pytest
import torch

from mmicf.models.decode_heads import AVMask2FormerHead, BidirectionalQueryDecoder, HeadOutputs
from mmicf.structures import AVFeatures


def head(**kwargs):
    torch.manual_seed(0)
    return AVMask2FormerHead(**{**dict(
        num_classes=2, embed_dims=32,
        pixel_decoder=dict(type='MSDeformAttnPixelDecoder', in_channels=[8, 16, 24, 40], num_layers=1, ffn_dims=64),
        decoder=dict(type='BidirectionalQueryDecoder', num_queries=7, num_layers=5, num_heads=4, ffn_dims=64),
        loss=dict(type='MaskMatchingLoss', num_points=64)), **kwargs})


def features(frames=3):
    generator = torch.Generator().manual_seed(1)
    maps = [torch.randn(frames, c, s, s, generator=generator) for c, s in zip((8, 16, 24, 40), (16, 8, 4, 2), strict=True)]
    return AVFeatures(maps, torch.randn(frames, 32, generator=generator), torch.zeros(frames, dtype=torch.long))


def test_training_predicts_after_every_layer_and_eval_the_same_last_one():
    model = head()
    trained = model.train()(features())
    assert len(trained.class_logits) == len(trained.mask_logits) == 6
    tested = model.eval()(features())
    assert len(tested.mask_logits) == 1
    assert torch.allclose(tested.mask_logits[0], trained.mask_logits[-1], atol=1e-5)
    assert torch.allclose(tested.class_logits[0], trained.class_logits[-1], atol=1e-5)


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_fresh_queries_answer_the_same_sound_each_in_its_own_way(seed):
    """What one sound changes in the mask embedding's hidden units must not be the same for all queries: background and sounding
    masks are opposites, and equal answers would cancel in the gradient (decisions.md, "Random start")."""
    torch.manual_seed(seed)
    model = AVMask2FormerHead(
        num_classes=2, embed_dims=96,
        pixel_decoder=dict(type='MSDeformAttnPixelDecoder', in_channels=[8, 16, 24, 40], num_layers=1, ffn_dims=64),
        decoder=dict(type='BidirectionalQueryDecoder', num_queries=16, num_layers=3), loss=dict(type='MaskMatchingLoss'))
    audio = torch.nn.functional.layer_norm(torch.randn(64, 96), (96, ))

    def likeness(queries):
        x = model.query_norm(queries[:, None] + audio)
        for layer in list(model.mask_embed)[:-1]:
            x = layer(x)
        answers = torch.nn.functional.normalize((x - x.mean(1, keepdim=True)).flatten(1))
        return ((answers @ answers.T).sum() - 16) / (16 * 15)

    queries = model.decoder.query_feat.weight
    assert likeness(queries) < 0.45 < likeness(queries / 2.5)  # of unit variance, like the sound


def test_attention_masks_equal_masks_resized_after_they_are_made():
    """Reading masks from resized mask features is exact: bilinear resizing is linear."""
    model, query = head(), torch.randn(2, 7, 32)
    fine = torch.randn(2, 32, 16, 16)
    small = torch.nn.functional.interpolate(fine, size=(4, 4), mode='bilinear', align_corners=False)
    late = torch.nn.functional.interpolate(model._masks(query, fine), size=(4, 4), mode='bilinear', align_corners=False)
    assert torch.allclose(model._masks(query, small), late, atol=1e-4)


def test_queries_attend_within_their_own_mask_or_everywhere():
    torch.manual_seed(0)
    model, query, memory = head(), torch.randn(2, 7, 32), [torch.zeros(2, 32, s, s) for s in (2, 4, 8)]
    fine = torch.randn(2, 32, 16, 16)
    fine[1] = fine[1].mean((1, 2), keepdim=True)  # masks of the second frame are everywhere or nowhere
    allowed = model.attention_mask(fine, memory)
    for x in memory:
        small = torch.nn.functional.interpolate(fine, size=x.shape[-2:], mode='bilinear', align_corners=False)
        inside = (model._masks(model.query_norm(query), small) > 0).flatten(2)
        nowhere = ~inside.any(-1)
        assert nowhere[1].any() and not inside[0].all()
        found = allowed(query, tuple(x.shape[-2:]))
        assert torch.equal(found[~nowhere], inside[~nowhere]) and found[nowhere].all()


def test_each_frame_hears_its_own_sound_only():
    model, feats = head().eval(), features()
    before = model(feats).mask_logits[-1]
    audio = feats.audio.clone()
    audio[1] += 1
    after = model(feats._replace(audio=audio)).mask_logits[-1]
    assert torch.allclose(before[[0, 2]], after[[0, 2]], atol=1e-6)
    assert not torch.allclose(before[1], after[1], atol=1e-3)


def test_reverse_bridge_carries_queries_to_pixels():
    feats = features()
    for bridge, moves in ((True, True), (False, False)):
        model = head(decoder=dict(type='BidirectionalQueryDecoder', num_queries=7, num_layers=5, num_heads=4, ffn_dims=64,
                                  reverse_bridge=bridge)).eval()
        before = model(feats).mask_features
        after = model(feats._replace(audio=feats.audio + 1)).mask_features
        assert (not torch.allclose(before, after, atol=1e-5)) == moves


def test_bridges_stand_only_where_they_are_read():
    assert len(BidirectionalQueryDecoder(num_layers=6).bridges) == 3
    assert len(BidirectionalQueryDecoder(num_layers=3).bridges) == 0


def outputs(cls, masks):
    return HeadOutputs([cls], [masks], torch.randn(1, 32, *masks.shape[-2:]), torch.randn(1, 3, 32), torch.randn(1, 32),
                       torch.zeros(1, dtype=torch.long))


def test_scores_equal_their_formula():
    model, cls, masks = head(), torch.randn(1, 3, 3), torch.randn(1, 3, 4, 4)
    expected = sum(cls.softmax(-1)[0, q, :2, None, None] * masks[0, q].sigmoid() for q in range(3))
    assert torch.allclose(model._scores(cls, masks)[0], expected, atol=1e-6)


@pytest.mark.parametrize('kind', ['token', 'queries'])
def test_embeddings(kind):
    model, out = head(audio_embed=kind), outputs(torch.randn(1, 3, 3), torch.randn(1, 3, 4, 4))
    visual, audio = model.embed(out)
    scores = model._scores(out.class_logits[0], out.mask_logits[0])[0]
    weight = 1 - scores[0] / scores.sum(0)
    expected = (out.mask_features[0] * weight).sum((1, 2)) / weight.sum()
    assert torch.allclose(visual[0], expected, atol=1e-5)
    assert torch.equal(audio, out.audio_token if kind == 'token' else out.queries.mean(1))


def test_embeddings_leave_the_predictions_alone():
    """The contrast moves what is averaged, not the masks that say where."""
    model, out = head(), outputs(torch.randn(1, 3, 3, requires_grad=True), torch.randn(1, 3, 4, 4, requires_grad=True))
    out = out._replace(mask_features=out.mask_features.requires_grad_())
    model.embed(out)[0].sum().backward()
    assert out.mask_features.grad.abs().sum() > 0
    assert out.class_logits[0].grad is None and out.mask_logits[0].grad is None


@pytest.mark.parametrize('option', [dict(score='sum'), dict(audio_embed='mean')])
def test_unknown_options_are_refused(option):
    with pytest.raises(ValueError, match='must be'):
        head(**option)
