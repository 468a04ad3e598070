"""Our parts inside a config of mmseg's scope: the project's SegFormer hears, and `icf=` alone switches ICF on."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from test_av_segmentor import clip

CONFIGS = Path(__file__).parents[3] / 'projects/icf_in_mmseg/configs'


def build(name):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(CONFIGS / name).model)


def losses(model, clips):
    model.train()
    return model(**model.data_preprocessor(pseudo_collate(clips), True), mode='loss')


def test_the_config_with_icf_differs_by_icf_alone():
    plain, icf = (Config.fromfile(CONFIGS / f'segformer_{n}_synthetic.py').to_dict() for n in ('audio', 'icf'))
    assert icf['model'].pop('icf')
    assert icf.pop('embed_dims')
    assert plain == icf


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
        assert torch.equal(frame.pred_sem_seg.data[0], frame.seg_logits.data.argmax(0))
        assert not torch.allclose(frame.av_score.data, changed.av_score.data)


def test_sliding_windows_are_refused():
    cfg = Config.fromfile(CONFIGS / 'segformer_audio_synthetic.py').model
    cfg.test_cfg = dict(mode='slide')
    init_default_scope('mmseg')
    with pytest.raises(ValueError, match="'slide'"):
        MODELS.build(cfg)
