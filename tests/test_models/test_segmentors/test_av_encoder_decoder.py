"""Our parts inside a config of mmseg's scope: the project's SegFormer hears, and `icf=` alone switches ICF on."""
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from test_av_segmentor import clip

CONFIGS = Path(__file__).parents[3] / 'projects/icf_in_mmseg/configs'


def build(name, **changes):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIGS / name)
    cfg.merge_from_dict(dict(model=changes))
    return MODELS.build(cfg.model)


def losses(model, clips):
    model.train()
    return model(**model.data_preprocessor(pseudo_collate(clips), True), mode='loss')


def test_the_config_with_icf_differs_by_icf_alone():
    plain, icf = (Config.fromfile(CONFIGS / f'segformer_{n}_synthetic.py').to_dict() for n in ('audio', 'icf'))
    assert icf['model'].pop('icf')
    assert icf.pop('embed_dims')
    assert plain == icf


def test_the_page_names_the_hooks_and_the_visualizer_of_its_config():
    """A config that keeps mmseg's SegVisualizationHook fails under ``tools/test.py --show-dir``."""
    cfg = Config.fromfile(CONFIGS / 'segformer_audio_synthetic.py')
    steps = (CONFIGS.parent / 'README.md').read_text(encoding='utf-8').split('## What to change in your own config')[1]
    named = set(re.findall(r"type='(mmicf\.\w+)'", steps))
    ours = {part['type'] for part in (*cfg.default_hooks.values(), *cfg.custom_hooks, cfg.visualizer) if 'mmicf.' in part['type']}
    assert {'mmicf.AVSVisualizationHook', 'mmicf.AVSLocalVisualizer', 'mmicf.SeedHook'} <= ours <= named


@pytest.mark.parametrize('name', ['segformer_audio_synthetic.py', 'segformer_icf_synthetic.py'])
def test_it_trains_and_every_parameter_learns(name):
    model = build(name)
    for layer in model.fusion.write:
        torch.nn.init.normal_(layer.weight, std=0.05)
    out = losses(model, [clip('a', 3, seed=1), clip('b', 2, labelled=[0], seed=2)])
    total, _ = model.parse_losses(out)
    total.backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert ('icf.loss_va' in out) == ('icf' in name)


def test_frames_without_ground_truth_are_not_supervised():
    model = build('segformer_audio_synthetic.py')
    model.backbone.eval()
    a, b = clip('a', 3, labelled=[0], seed=1), clip('a', 3, labelled=[0], seed=1)
    b['data_samples'].frames[1].gt_sem_seg = a['data_samples'].frames[0].gt_sem_seg
    first = model.decode_head.eval() and model(**model.data_preprocessor(pseudo_collate([a]), True), mode='loss')
    second = model(**model.data_preprocessor(pseudo_collate([b]), True), mode='loss')
    assert torch.equal(first['decode.loss_ce'], second['decode.loss_ce'])


@pytest.mark.parametrize('auxiliary', [False, True])
def test_a_rank_without_labels_has_the_others_losses_at_zero_with_gradient(auxiliary):
    model = build('segformer_audio_synthetic.py')
    if auxiliary:
        model._init_auxiliary_head(dict(type='FCNHead', in_channels=256, in_index=3, channels=8, num_classes=2, norm_cfg=None,
                                        loss_decode=dict(type='CrossEntropyLoss')))
    found, other = losses(model, [clip('a', 2, labelled=[])]), losses(model, [clip('a', 2)])
    assert list(found) == list(other) and all(float(x) == 0 for x in found.values())
    sum(v for k, v in found.items() if 'loss' in k).backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and not g.any() for g in grads)


def test_predictions_hear_and_fit_the_frames():
    model = build('segformer_audio_synthetic.py').eval()
    for layer in model.fusion.write:
        torch.nn.init.normal_(layer.weight)
    item, other = clip('a', 2, seed=1), clip('a', 2, seed=1)
    other['inputs'] = other['inputs']._replace(log_mel=other['inputs'].log_mel + 3)
    with torch.no_grad():
        (x, ), (y, ) = (model.test_step(pseudo_collate([c])) for c in (item, other))
    for frame, changed in zip(x.frames, y.frames, strict=True):
        assert frame.pred_sem_seg.shape == (64, 64) and frame.av_score.data.shape == (1, 64, 64)
        assert torch.equal(frame.pred_sem_seg.data, (frame.av_score.data > 0.5).long())
        assert set(frame.keys()) == {'gt_sem_seg', 'pred_sem_seg', 'av_score'}  # no maps of logits: they are kept for a whole clip
        assert not torch.allclose(frame.av_score.data, changed.av_score.data)


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_missing_sound_is_named(mode):
    model, item = build('segformer_audio_synthetic.py'), clip('a', 2)
    data = pseudo_collate([dict(item, inputs=item['inputs']._replace(log_mel=None))])
    with pytest.raises(ValueError, match=r"VGGish needs \['log_mel'\] in the batch"):
        model(**model.data_preprocessor(data), mode=mode)


def test_predictions_have_the_size_that_was_asked_for():
    model = build('segformer_audio_synthetic.py').eval()
    item = clip('a', 2, seed=1, ori=(48, 97))
    for size, shape in (('img', (64, 64)), ('ori', (48, 97))):
        model.test_size = size
        with torch.no_grad():
            sample, = model.test_step(pseudo_collate([item]))
        assert all(tuple(frame.pred_sem_seg.shape) == tuple(frame.av_score.shape) == shape for frame in sample.frames)
    assert build('segformer_audio_synthetic.py', test_cfg=dict(size='ori')).test_size == 'ori'
    with pytest.raises(ValueError, match="'full'"):
        build('segformer_audio_synthetic.py', test_cfg=dict(size='full'))


def test_one_channel_is_a_sigmoid_with_mmseg_s_threshold(monkeypatch):
    """Scores, labels and the picture that ICF is shown, of a head with ``out_channels=1``."""
    head = dict(out_channels=1, threshold=0.4, loss_decode=dict(use_sigmoid=True))
    model = build('segformer_icf_synthetic.py', decode_head=head).eval()
    logits = torch.full((2, 1, 16, 16), -10.)
    logits[:, :, :, :8] = 10.
    monkeypatch.setattr(model.decode_head, 'forward', lambda maps: logits)
    with torch.no_grad():
        sample, = model.test_step(pseudo_collate([clip('a', 2, seed=1)]))
        frame = sample.frames[1]
        assert frame.pred_sem_seg.data[0, :, :31].eq(1).all() and frame.pred_sem_seg.data[0, :, 33:].eq(0).all()
        assert frame.av_score.data.shape == (1, 64, 64)
        assert frame.av_score.data[..., 0].eq(torch.sigmoid(torch.tensor(10.))).all()
        for logit, label in ((-0.3, 1), (-0.5, 0)):  # 0.43 and 0.38
            logits.fill_(logit)
            sample, = model.test_step(pseudo_collate([clip('a', 2, seed=1)]))
            assert all(frame.pred_sem_seg.data.eq(label).all() for frame in sample.frames)
    seen = []
    monkeypatch.undo()
    monkeypatch.setattr('mmicf.models.segmentors.av_encoder_decoder.masked_mean',
                        lambda x, weights: seen.append(weights) or (x * weights[:, None]).mean((2, 3)))
    out = losses(model, [clip('a', 2, seed=1), clip('b', 2, seed=2)])
    assert torch.isfinite(model.parse_losses(out)[0])
    assert seen[0].shape == (4, 2, 2) and seen[0].min() > 0 and seen[0].max() < 1


@pytest.mark.parametrize('preprocessor', [dict(type='SegDataPreProcessor'), None])
def test_another_data_preprocessor_is_refused(preprocessor):
    with pytest.raises(ValueError, match=r'mmicf\.AVDataPreprocessor.*got (Seg|Base)DataPre'):
        build('segformer_audio_synthetic.py', data_preprocessor=preprocessor)


def test_sliding_windows_are_refused():
    cfg = Config.fromfile(CONFIGS / 'segformer_audio_synthetic.py').model
    cfg.test_cfg = dict(mode='slide')
    init_default_scope('mmseg')
    with pytest.raises(ValueError, match="'slide'"):
        MODELS.build(cfg)


def test_text_in_the_decoder_is_refused():
    with pytest.raises(ValueError, match='text_in_decoder=True, but SegformerHead'):
        build('segformer_icf_synthetic.py', icf=dict(text_in_decoder=True))
