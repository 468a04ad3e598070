"""The tiny baseline as a whole: batch invariance, supervision, gradients, sizes."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmicf.registry import MODELS
from mmicf.structures import AVDataSample, AVInputs

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope='module')
def model():
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs/icf/baseline_tiny_synthetic.py').model
    model = MODELS.build(cfg)
    for scale in model.neck.scales:  # a fresh neck passes maps unchanged
        torch.nn.init.normal_(scale.output_proj.weight, std=0.05)
    return model


def clip(name, frames, labelled=None, seed=0, size=64, ori=None):
    generator = torch.Generator().manual_seed(seed)
    sample = AVDataSample(metainfo=dict(clip_id=name, subset='ms3', num_frames=frames, sample_idx=seed, audio_path=None))
    items = []
    for t in range(frames):
        has_gt = labelled is None or t in labelled
        frame = SegDataSample(metainfo=dict(clip_id=name, frame_idx=t, has_gt=has_gt, img_path='', seg_map_path=None,
                                            ori_shape=ori or (size, size), img_shape=(size, size)))
        labels = (torch.rand(1, size, size, generator=generator) > 0.7).long()
        if has_gt:
            frame.gt_sem_seg = PixelData(data=labels)
        items.append(frame)
    sample.frames = items
    frames_ = torch.randint(0, 256, (frames, 3, size, size), generator=generator, dtype=torch.uint8)
    return dict(inputs=AVInputs(frames_, torch.randn(frames, 1, 96, 64, generator=generator)), data_samples=sample)


def run(model, clips, mode):
    data = model.data_preprocessor(pseudo_collate(clips), mode == 'loss')
    return model(**data, mode=mode)


def scores(model, clips):
    model.eval()
    with torch.no_grad():
        return [torch.stack([f.av_score.data for f in s.frames]) for s in run(model, clips, 'predict')]


def test_a_prediction_does_not_depend_on_the_batch(model):
    clips = [clip('a', 5, seed=1), clip('b', 3, seed=2), clip('c', 5, seed=3)]
    together = scores(model, clips)
    for item, expected in zip(clips, together, strict=True):
        assert torch.allclose(scores(model, [item])[0], expected, atol=1e-5)
    assert torch.allclose(scores(model, clips[::-1])[2], together[0], atol=1e-5)


def test_sound_of_another_frame_matters_and_of_another_clip_does_not(model):
    a, b = clip('a', 3, seed=1), clip('b', 3, seed=2)
    before = scores(model, [a, b])
    louder = b['inputs'].log_mel.clone()
    louder[0] += 5
    changed = dict(b, inputs=b['inputs']._replace(log_mel=louder))
    after = scores(model, [a, changed])
    assert torch.allclose(after[0], before[0], atol=1e-6)
    assert (after[1] - before[1]).abs().amax() > 1e-4


def test_only_labelled_frames_are_supervised(model):
    """Dropping the labels of other frames is the same as marking them unlabelled; their pixels still give context."""
    model.train()
    one = clip('a', 3, labelled=[0], seed=4)
    loss = sum(run(model, [one], 'loss').values())
    every = clip('a', 3, seed=4)
    for frame in every['data_samples'].frames[1:]:
        frame.set_metainfo(dict(has_gt=False))
    assert torch.allclose(loss, sum(run(model, [every], 'loss').values()), atol=1e-5)


def test_every_parameter_gets_a_gradient(model):
    model.train()
    model.zero_grad()
    sum(run(model, [clip('a', 2, seed=5), clip('b', 3, seed=6)], 'loss').values()).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    model.zero_grad()


def test_predictions_at_the_original_size(model):
    item = clip('a', 2, size=64, ori=(48, 80))
    model.eval()
    model.test_size = 'ori'
    try:
        frame = run(model, [item], 'predict')[0].frames[0]
    finally:
        model.test_size = 'img'
    assert frame.pred_sem_seg.data.shape == (1, 48, 80) and frame.av_score.data.shape == (1, 48, 80)
    assert float(frame.av_score.data.min()) >= 0 and float(frame.av_score.data.max()) <= 1
    assert torch.equal(frame.pred_sem_seg.data, (frame.av_score.data > 0.5).long())


def test_loss_of_a_batch_without_labels_is_zero_and_connected(model):
    model.train()
    model.zero_grad()
    total = sum(run(model, [clip('a', 2, labelled=[])], 'loss').values())
    total.backward()
    assert float(total) == 0 and model.decode_head.cls_embed.weight.grad is not None


def test_missing_sound_is_named(model):
    item = clip('a', 2)
    with pytest.raises(ValueError, match='log_mel'):
        run(model, [dict(item, inputs=item['inputs']._replace(log_mel=None))], 'tensor')


def test_frames_of_two_sizes_in_a_batch_are_refused(model):
    with pytest.raises(ValueError, match=r'one size.*a: \(64, 64\).*b: \(32, 32\)'):
        model.data_preprocessor(pseudo_collate([clip('a', 2), clip('b', 2, size=32)]))


def test_preprocessor_packs_valid_frames_only(model):
    data = model.data_preprocessor(pseudo_collate([clip('a', 2), clip('b', 3)]))
    assert data['inputs'].clip_index.tolist() == [0, 0, 1, 1, 1] and data['inputs'].log_mel.shape == (5, 1, 96, 64)
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    assert torch.allclose(data['inputs'].frames[0], (clip('a', 2)['inputs'].frames[0].float() - mean) / std, atol=1e-5)
