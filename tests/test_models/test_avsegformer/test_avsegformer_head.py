"""AVSegFormer's head: losses, embeddings, frames apart, published names and sizes."""
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.models.avsegformer import AVSegFormerHead, released_name
from mmicf.models.avsegformer.losses import squared_dice
from mmicf.models.losses import frame_cross_entropy
from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVFeatures
from mmicf.utils.model_parts import count_parameters

CONFIGS = Path(__file__).parents[3] / 'configs/avsegformer'
CHANNELS = (6, 8, 10, 12)


def head(**options):
    torch.manual_seed(0)
    return AVSegFormerHead(**{**dict(num_classes=2, in_channels=CHANNELS, audio_dims=7, embed_dims=32, num_queries=5,
                                     num_layers=1, ffn_dims=24), **options})


def features(lengths):
    torch.manual_seed(1)
    n = sum(lengths)
    return AVFeatures([torch.randn(n, c, s, s) for c, s in zip(CHANNELS, (16, 8, 4, 2), strict=True)], torch.randn(n, 7),
                      torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)))


def samples(lengths, has_gt, num_classes=2):
    torch.manual_seed(2)
    out, flags = [], iter(has_gt)
    for i, t in enumerate(lengths):
        frames = [SegDataSample(metainfo=dict(clip_id=f'c{i}', has_gt=next(flags), img_shape=(64, 64), ori_shape=(72, 64)))
                  for _ in range(t)]
        for frame in frames:
            if frame.has_gt:
                frame.gt_sem_seg = PixelData(data=torch.randint(0, num_classes, (1, 64, 64)))
        out.append(AVDataSample(metainfo=dict(clip_id=f'c{i}')))
        out[-1].frames = frames
    return out


@pytest.mark.parametrize('num_classes, main', [(2, squared_dice), (4, frame_cross_entropy)])
def test_losses_see_labelled_frames_and_reach_every_parameter(num_classes, main):
    model, has_gt = head(num_classes=num_classes), [True, False, True]
    data, outputs = samples([2, 1], has_gt, num_classes), model(features([2, 1]))
    assert outputs.logits.shape == (3, 1 if num_classes == 2 else 4, 64, 64) and outputs.queries.shape == (3, 5, 32)
    losses = model.loss(outputs, data)
    labels = torch.stack([f.gt_sem_seg.data[0] for s in data for f in s.frames if f.has_gt])
    assert losses['loss_seg'].item() == pytest.approx(main(outputs.logits[[0, 2]], labels).mean().item(), abs=1e-6)
    mixed = F.interpolate(outputs.mask_feature[[0, 2]].mean(1, keepdim=True), size=(64, 64), mode='bilinear')
    assert losses['loss_mix'].item() == pytest.approx(0.1 * squared_dice(mixed, labels).mean().item(), abs=1e-6)
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('num_classes', [2, 4])
def test_a_rank_without_labels_has_a_zero_loss_with_gradient(num_classes):
    model = head(num_classes=num_classes)
    total = sum(model.loss(model(features([2])), samples([2], [False, False])).values())
    total.backward()
    assert total == 0 and all(p.grad is not None and not p.grad.any() for p in model.parameters())


@pytest.mark.parametrize('num_classes', [2, 4])
def test_a_frame_does_not_depend_on_its_batch(num_classes):
    model, x = head(num_classes=num_classes).eval(), features([2, 1])
    with torch.no_grad():
        outputs = model(x)
        alone = model(AVFeatures([m[2:] for m in x.maps], x.audio[2:], x.clip_index[:1]))  # N = 1
        silent = model(x._replace(audio=torch.zeros_like(x.audio)))
    for together, single in zip(outputs, alone, strict=True):
        assert (together[2:] - single).abs().max() < 1e-4
    assert (silent.queries - outputs.queries).abs().max() > 1e-2  # and it does depend on its sound
    data = model.predict(outputs, samples([2, 1], [True] * 3), 'ori')
    frame = data[1].frames[0]
    assert frame.pred_sem_seg.data.shape == (1, 72, 64)
    if num_classes == 2:
        assert torch.equal(frame.pred_sem_seg.data, (frame.av_score.data > 0.5).long())


def test_output_step_as_published():
    """Masks of the queries on the mixed feature → three convolutions → added to it → ×4 between two 3×3 convolutions."""
    model, x = head().eval(), features([2])
    found = model(x)
    fine = model.lateral_conv(model.in_proj[0](x.maps[0]))
    query = model.query_generator(model.audio_proj(x.audio)) + model.learnable_query.weight
    (encoded, *_), queries = model.transformer([model.in_proj[i](x.maps[i]) for i in (1, 2, 3)], model.level_embed, query)
    up = F.interpolate(encoded, scale_factor=2, mode='bilinear')  # stride 8 to stride 4
    feature = model.out_conv[1](model.out_conv[0](fine + up)).relu()
    feature = model.fusion_block(feature, model.audio_proj(x.audio))
    masks = torch.einsum('nqd,ndhw->nqhw', queries, feature)
    for i, layer in enumerate(model.mlp.layers):
        masks = layer(masks) if i == 2 else layer(masks).relu()
    out = F.interpolate(model.fc[0](feature + masks), scale_factor=4, mode='bilinear')
    out = F.conv2d(model.fc[2](out).relu(), model.fc[4].weight)
    for a, b in zip(found, (out, feature, queries), strict=True):
        assert (a - b).abs().max() < 1e-4


def test_embeddings_for_icf():
    model = head()
    outputs = model(features([2]))
    visual, audio = model.embed(outputs)
    weight = F.avg_pool2d(outputs.logits, 4).sigmoid()
    wanted = (outputs.mask_feature * weight).sum((2, 3)) / weight.sum((2, 3))
    assert torch.allclose(visual, wanted, atol=1e-4) and torch.equal(audio, outputs.queries.mean(1))
    visual.sum().backward()
    assert model.fc[0].weight.grad is None  # the prediction that pools is detached


def test_wrong_input():
    for options, found in ((dict(in_channels=(8, 8, 8)), r'strides 4, 8, 16, 32, got \[8, 8, 8\]'),
                           (dict(embed_dims=48), 'multiple of 32, got 48')):
        with pytest.raises(ValueError, match=found):
            head(**options)


# ---------------------------------------------------------------- published checkpoints


def published(outputs):
    """Names and shapes of the released PVT-v2-B5 checkpoint with 1 or 71 outputs."""
    t = {}

    def layer(name, *shape, bias=True):
        t[f'{name}.weight'] = shape
        if bias:
            t[f'{name}.bias'] = shape[:1]

    width = 3
    for i, (c, depth, ratio) in enumerate(((64, 3, 8), (128, 6, 4), (320, 40, 2), (512, 3, 1)), 1):
        layer(f'backbone.patch_embed{i}.proj', c, width, *((7, 7) if i == 1 else (3, 3)))
        layer(f'backbone.patch_embed{i}.norm', c)
        for block in (f'backbone.block{i}.{k}' for k in range(depth)):
            for name, shape in (('norm1', (c, )), ('attn.q', (c, c)), ('attn.kv', (2 * c, c)), ('attn.proj', (c, c)),
                                ('norm2', (c, )), ('mlp.fc1', (4 * c, c)), ('mlp.dwconv.dwconv', (4 * c, 1, 3, 3)),
                                ('mlp.fc2', (c, 4 * c))):
                layer(f'{block}.{name}', *shape)
            if ratio > 1:
                layer(f'{block}.attn.sr', c, c, ratio, ratio)
                layer(f'{block}.attn.norm', c)
        layer(f'backbone.norm{i}', c)
        layer(f'head.in_proj.{i - 1}.0', 256, c, 1, 1)
        layer(f'head.in_proj.{i - 1}.1', 256)
        width = c
    for i, shape in zip((0, 3, 6, 8, 11, 13), ((64, 1), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512)), strict=True):
        layer(f'vggish.features.{i}', *shape, 3, 3)
    for i, shape in zip((0, 2, 4), ((4096, 12288), (4096, 4096), (128, 4096)), strict=True):
        layer(f'vggish.embeddings.{i}', *shape)
    t['head.level_embed'] = (3, 256)
    t['head.learnable_query.weight'] = t['head.query_generator.query.weight'] = (300, 256)
    for i in range(6):
        for part, ffn, hidden, kinds in (('query_generator', ('ffn.0', 'ffn.2'), 1024, ('self_attn', 'cross_attn')),
                                         ('transformer.encoder', ('linear1', 'linear2'), 2048, ()),
                                         ('transformer.decoder', ('linear1', 'linear2'), 2048, ('self_attn', 'cross_attn'))):
            name = f'head.{part}.layers.{i}'
            bias = part != 'query_generator'
            for kind in kinds:
                t[f'{name}.{kind}.in_proj_weight'] = (768, 256)
                if bias:
                    t[f'{name}.{kind}.in_proj_bias'] = (768, )
                layer(f'{name}.{kind}.out_proj', 256, 256, bias=bias)
            layer(f'{name}.{ffn[0]}', hidden, 256)
            layer(f'{name}.{ffn[1]}', 256, hidden)
            for k in range(3 if kinds else 2):
                layer(f'{name}.norm{k + 1}', 256)
            if not kinds:
                for kind, size in (('sampling_offsets', 192), ('attention_weights', 96), ('value_proj', 256), ('output_proj', 256)):
                    layer(f'{name}.self_attn.{kind}', size, 256)
    for i, shape in enumerate(((2048, 300), (2048, 2048), (256, 2048))):
        layer(f'head.mlp.layers.{i}', *shape, 1, 1)
    layer('head.fusion_block.q_proj', 256, 256, bias=False)
    layer('head.fusion_block.kv_proj', 512, 256, bias=False)
    layer('head.fusion_block.proj', 256, 256)
    for name, kernel in (('lateral_conv', 1), ('out_conv', 3)):
        layer(f'head.{name}.0', 256, 256, kernel, kernel)
        layer(f'head.{name}.1', 256)
    for i in (1, 2, 3):
        layer(f'head.fpn.up{i}.1', 256, 256, 3, 3)
    for name in ('attn_fc', 'fc'):
        layer(f'head.{name}.0', 128, 256, 3, 3)
        layer(f'head.{name}.2', 32, 128, 3, 3)
        layer(f'head.{name}.4', outputs, 32, 1, 1, bias=False)
    layer('audio_proj', 256, 128)
    return t


@pytest.mark.parametrize('name, outputs, total, trainable', [('ms3', 1, 186.054, 113.912), ('avss', 71, 186.058, 113.917)])
def test_published_tensors_are_placed_and_sizes_agree(name, outputs, total, trainable):
    init_default_scope('mmicf')
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(CONFIGS / f'avsegformer_pvt_{name}.py').model)
    tensors = published(outputs)
    assert len(tensors) == 1413
    state, dead = {}, 0
    for key, shape in tensors.items():
        tensor = torch.empty(shape, device='meta')
        if released_name(key) is None:
            assert key.startswith(('head.fpn.', 'head.attn_fc.'))
            dead += tensor.numel()
        else:
            state[released_name(key)] = tensor
    model.load_state_dict(state, strict=True, assign=True)
    assert dead == pytest.approx(2.10e6, rel=0.01)
    found = count_parameters(model)
    assert [(x + dead) / 1e6 for x in found] == pytest.approx([total, trainable], abs=1e-3)
    with pytest.raises(ValueError, match='no tensor of AVSegFormer'):
        released_name('encoder_backbone.norm1.weight')


@pytest.mark.parametrize('name', ['pvt_ms3', 'pvt_avss', 'tiny_synthetic'])
def test_icf_is_added_by_a_config_that_touches_nothing_else(name):
    host = Config.fromfile(CONFIGS / f'avsegformer_{name}.py').to_dict()
    with_icf = Config.fromfile(CONFIGS / f'avsegformer-icf_{name}.py').to_dict()
    assert with_icf.pop('icf') == with_icf['model'].pop('icf')
    assert with_icf == host
