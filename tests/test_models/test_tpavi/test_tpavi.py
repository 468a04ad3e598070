"""TPAVI: the exact small form against the published one, its regulariser, its published tensors."""
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.models.layers import split_clips
from mmicf.models.tpavi import TPAVIAttention, TPAVIHead
from mmicf.models.tpavi.decoder import ResidualConvUnit
from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures

ROOT = Path(__file__).parents[3]


def attention(**options):
    torch.manual_seed(0)
    block = TPAVIAttention(12, 5, 6, **options)
    torch.nn.init.normal_(block.W_z[1].weight)
    torch.nn.init.normal_(block.W_z[1].bias)
    return block.eval()


def dense(block, x, audio):
    """The published form: one clip's map (T, C, h, w) and audio (T, C_a); the audio is tiled to every pixel."""
    t, c, h, w = x.shape
    heard = block.align_channel(audio)
    tiled = heard[:, :, None, None].expand(t, c, h, w)

    def rows(layer, y):
        return layer(y.permute(0, 2, 3, 1).reshape(t * h * w, c))

    similarity = rows(block.theta, x) @ rows(block.phi, tiled).T  # (THW, THW)
    out = similarity / (t * h * w) @ rows(block.g, x)
    out = block.W_z[0](out).view(t, h, w, c).permute(0, 3, 1, 2)
    out = x + block.W_z[1](out)
    return F.layer_norm(out.permute(0, 2, 3, 1), (c, ), block.norm_layer.weight, block.norm_layer.bias).permute(0, 3, 1, 2)


@pytest.mark.parametrize('lengths', [[5], [2, 4, 1]])
def test_small_form_equals_the_dense_one_of_each_clip(lengths):
    block = attention().double()
    clip_index = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    x = torch.randn(len(clip_index), 12, 4, 3, dtype=torch.double)
    audio = torch.randn(len(clip_index), 5, dtype=torch.double)
    block.phi, block.g = block.phi.double(), block.g.double()
    out, heard = block.float()(x.float(), audio.float(), clip_index)
    block.double()
    expected = torch.cat([dense(block, a, b) for a, b in zip(x.split(lengths), audio.split(lengths), strict=True)])
    assert torch.allclose(out.double(), expected, atol=1e-5)
    assert torch.allclose(heard.double(), block.align_channel(audio), atol=1e-5)
    silent, _ = block.float()(x.float(), torch.zeros(len(x), 5), clip_index)
    assert (out - silent).abs().max() > 1e-2


def test_without_bias_silence_adds_no_sound():
    block = attention(audio_bias=False)
    torch.nn.init.zeros_(block.phi.bias)
    x = torch.randn(3, 12, 4, 4)
    _, heard = block(x, torch.zeros(3, 5), torch.zeros(3, dtype=torch.long))
    assert not heard.any()


def test_split_clips():
    clips = torch.tensor([0] * 10 + [1] * 5 + [2] * 7)
    assert split_clips(clips, 5).tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 2
    assert split_clips(clips, None) is clips


def test_skip_of_the_residual_unit_carries_the_relu():
    unit = ResidualConvUnit(4)
    for conv in (unit.conv1, unit.conv2):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    x = torch.randn(1, 4, 3, 3)
    assert torch.equal(unit(x), x.relu())


def head(**options):
    init_default_scope('mmicf')
    torch.manual_seed(1)
    return MODELS.build(dict(type='TPAVIHead', in_channels=[8, 8, 16, 16], audio_dims=5, embed_dims=16, inner_dims=8,
                             **{'num_classes': 2, **options}))


def features(lengths, seed=0):
    g = torch.Generator().manual_seed(seed)
    n = sum(lengths)
    sizes = (16, 8, 4, 2)
    return AVFeatures([torch.randn(n, c, s, s, generator=g) for c, s in zip((8, 8, 16, 16), sizes, strict=True)],
                      torch.randn(n, 5, generator=g).relu(),
                      torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)))


def samples(lengths, has_gt, num_classes=2, size=64):
    torch.manual_seed(3)
    out, flags = [], iter(has_gt)
    for i, t in enumerate(lengths):
        frames = []
        for k in range(t):
            frame = SegDataSample(metainfo=dict(clip_id=f'c{i}', frame_idx=k, has_gt=next(flags), img_shape=(size, size),
                                                ori_shape=(size + 8, size)))
            if frame.has_gt:
                frame.gt_sem_seg = PixelData(data=torch.randint(0, num_classes, (1, size, size)))
            frames.append(frame)
        sample = AVDataSample(metainfo=dict(clip_id=f'c{i}'))
        sample.frames = frames
        out.append(sample)
    return out


def loud_head(**options):
    model = head(**options).eval()
    for block in model.interactions:
        torch.nn.init.normal_(block.W_z[1].weight)
    return model


def convolve(layer, x, dilation=1):
    return F.conv2d(x, layer.weight, layer.bias, padding=dilation * (layer.kernel_size[0] // 2), dilation=dilation)


def test_maps_go_through_four_dilated_convolutions_before_they_hear():
    model, x = loud_head(), features([3])
    with torch.no_grad():
        outputs = model(x)
        for i, (conv, interact) in enumerate(zip(model.convs, model.interactions, strict=True)):
            dilated = sum(convolve(layer, x.maps[i], d) for layer, d in zip(conv.conv2d_list, (3, 6, 12, 18), strict=True))
            assert torch.allclose(outputs.maps[i], interact(dilated, x.audio, x.clip_index)[0], atol=1e-5)


def test_decoder_is_the_published_one():
    model = loud_head(num_classes=4)

    def unit(layer, x):
        x = x.relu()
        return convolve(layer.conv2, convolve(layer.conv1, x).relu()) + x

    with torch.no_grad():
        outputs = model(features([2]))
        x = outputs.maps[3]
        for path, finer in zip(reversed(model.paths), (None, *outputs.maps[2::-1]), strict=True):
            x = x if finer is None else x + unit(path.resConfUnit1, finer)
            x = F.interpolate(unit(path.resConfUnit2, x), scale_factor=2, mode='bilinear', align_corners=True)
        first, _, second, _, last = model.output_conv
        x = F.interpolate(convolve(first, x), scale_factor=2, mode='bilinear')
        assert torch.allclose(outputs.logits, convolve(last, convolve(second, x).relu()), atol=1e-5)


def test_num_frames_cuts_a_clip_of_ten_in_two():
    model, x = loud_head(num_frames=5), features([10])
    halves = x._replace(clip_index=torch.arange(2).repeat_interleave(5))
    with torch.no_grad():
        whole = loud_head()(x)
        for a, b, c in zip(model(x).maps, model(halves).maps, whole.maps, strict=True):
            assert torch.allclose(a, b, atol=1e-6) and (a - c).abs().max() > 1e-3


def test_losses_are_the_published_formulas_over_labelled_frames():
    model, x = head(), features([3, 2])
    has_gt = [True, False, True, False, True]
    data = samples([3, 2], has_gt)
    outputs = model(x)
    assert outputs.logits.shape == (5, 1, 64, 64)
    losses = model.loss(outputs, data)
    keep = [i for i, flag in enumerate(has_gt) if flag]
    labels = torch.stack([f.gt_sem_seg.data[0] for s in data for f in s.frames if f.has_gt])
    p = outputs.logits[keep, 0].sigmoid()
    bce = -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
    assert torch.allclose(losses['loss_seg'], bce, atol=1e-5)
    total = 0
    for stage, audio in zip(outputs.maps, outputs.audio, strict=True):
        for i in keep:
            side = stage.shape[-1]
            mask = outputs.logits[i, 0].view(side, 64 // side, side, 64 // side).mean((1, 3)).sigmoid()
            q = (stage[i].relu() * mask).mean((1, 2)).softmax(0)
            a = audio[i].softmax(0)
            total += (a * (a / q).log()).sum() / 4
    assert torch.allclose(losses['loss_avm'], 0.5 * total, rtol=1e-4)
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_semantic_regulariser_masks_by_the_prediction_and_averages():
    model = head(num_classes=4, avm_reduction='mean')
    outputs = model(features([2]))
    data = samples([2], [True, True], 4)
    mask = outputs.logits.argmax(1)  # another way: at full size, all background
    outputs.logits.data[:, 0] += 100
    assert not outputs.logits.argmax(1).any() and mask.any()
    uniform = torch.full((16, ), 1 / 16)
    expected = sum((a.softmax(1) * (a.softmax(1) / uniform).log()).sum(1).mean() for a in outputs.audio) / 4
    assert torch.allclose(model.loss(outputs, data)['loss_avm'], 0.5 * expected, rtol=1e-4)
    outputs.logits.data[:, 0] -= 100  # some foreground: each cell of a map is weighted by its share
    foreground, expected = (outputs.logits.argmax(1) > 0).float(), 0
    assert 0 < foreground.mean() < 1
    for stage, a in zip(outputs.maps, outputs.audio, strict=True):
        cell = 64 // stage.shape[-1]
        share = foreground.unflatten(2, (-1, cell)).unflatten(1, (-1, cell)).mean((2, 4))
        q = (stage.clamp(min=0) * share[:, None]).mean((2, 3)).log_softmax(1)
        expected += (a.softmax(1) * (a.log_softmax(1) - q)).sum(1).mean() / 4
    assert torch.allclose(model.loss(outputs, data)['loss_avm'], 0.5 * expected, rtol=1e-4)


def test_regulariser_has_gradients_where_the_audio_softmax_underflows():
    model = head()
    outputs = model(features([2]))
    loud = [torch.zeros_like(a).index_fill_(1, torch.tensor([3]), 200.).requires_grad_() for a in outputs.audio]
    model.loss(outputs._replace(audio=loud), samples([2], [True, True]))['loss_avm'].backward()
    for a in loud:
        assert a.softmax(1).min() == 0 and a.grad.isfinite().all()


@pytest.mark.parametrize(('reduction', 'times'), [('sum', 2), ('mean', 1)])
def test_regulariser_does_not_depend_on_the_number_of_ranks(reduction, times, monkeypatch):
    model = head(avm_reduction=reduction)
    outputs, data = model(features([2])), samples([2], [True, True])
    alone = model.loss(outputs, data)['loss_avm']
    monkeypatch.setattr('mmicf.models.tpavi.head.world_size', lambda: 2)  # DDP halves the gradient
    assert torch.allclose(model.loss(outputs, data)['loss_avm'], times * alone)


def test_a_rank_without_labels_has_a_zero_loss_with_gradient():
    model = head()
    losses = model.loss(model(features([2])), samples([2], [False, False]))
    total = sum(losses.values())
    total.backward()
    assert total == 0 and model.output_conv[0].weight.grad is not None


@pytest.mark.parametrize('num_classes', [2, 4])
def test_prediction_of_a_clip_does_not_depend_on_its_batch(num_classes):
    model = head(num_classes=num_classes).eval()
    for block in model.interactions:
        torch.nn.init.ones_(block.W_z[1].weight)
    x = features([3, 2])
    alone = AVFeatures([m[3:] for m in x.maps], x.audio[3:], torch.zeros(2, dtype=torch.long))
    with torch.no_grad():
        assert torch.allclose(model(x).logits[3:], model(alone).logits, atol=1e-5)
        data = model.predict(model(x), samples([3, 2], [True] * 5), 'ori')
    frame = data[1].frames[0]
    assert frame.pred_sem_seg.data.shape == (1, 72, 64)
    if num_classes == 2:
        assert torch.equal(frame.pred_sem_seg.data, (frame.av_score.data > 0.5).long())


def test_embeddings_for_icf():
    model, x = head(), features([2])
    outputs = model(x)
    visual, audio = model.embed(outputs)
    weight = F.adaptive_avg_pool2d(outputs.logits, 2).sigmoid()
    expected = (outputs.maps[-1] * weight).sum((2, 3)) / weight.sum((2, 3))
    assert torch.allclose(visual, expected, atol=1e-4) and torch.equal(audio, outputs.audio[-1])
    visual.sum().backward()
    assert model.output_conv[0].weight.grad is None  # the prediction that pools is detached


def test_wrong_options():
    for options, found in ((dict(avm_reduction='max'), 'max'), (dict(num_frames=0), '0')):
        with pytest.raises(ValueError, match=found):
            TPAVIHead(num_classes=2, in_channels=[8], **options)


@pytest.mark.parametrize('name, published', [('ms3', 101.321), ('avss', 101.322)])
def test_published_size(name, published):
    init_default_scope('mmicf')
    cfg = Config.fromfile(ROOT / f'configs/tpavi/tpavi_pvt_{name}.py').model
    with torch.device('meta'):
        model = MODELS.build(cfg)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad) / 1e6
    dead = (256 * 256 * 9 + 256) * 2 / 1e6  # a unit of the published model that nothing runs
    assert trainable + dead == pytest.approx(published, abs=1.5e-3)
