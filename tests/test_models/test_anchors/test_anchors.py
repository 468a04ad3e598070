"""Frozen image and audio towers on frames and waveforms."""
import open_clip
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope

from mmicf.models.anchors import CLAPAudioAnchor
from mmicf.registry import MODELS

VISION = dict(image_size=32, layers=1, width=64, patch_size=16)
MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


def image_anchor(**options):
    init_default_scope('mmicf')
    return MODELS.build(dict(type='CLIPImageAnchor', model_cfg=dict(embed_dim=24, vision_cfg=VISION), **options))


def normalised(pixels):
    return (pixels - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


def test_frames_reach_clip_as_clip_was_trained(tmp_path):
    torch.manual_seed(0)
    clip = open_clip.model.CLIP(24, VISION, dict(layers=1, width=32, heads=2, vocab_size=50)).eval()
    torch.save(clip.state_dict(), tmp_path / 'clip.pt')
    anchor = image_anchor(pretrained=str(tmp_path / 'clip.pt'))
    pixels = torch.randint(0, 256, (3, 3, 32, 32)).float()
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    with torch.no_grad():
        expected = clip.encode_image((pixels / 255 - mean) / std)
    assert torch.allclose(anchor(normalised(pixels)), expected, atol=1e-4)
    assert anchor(normalised(F.interpolate(pixels, size=(48, 40)))).shape == (3, 24)


def test_pictures_are_prepared_as_the_weights_were_trained(tmp_path, monkeypatch):
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()

    def prepared(**options):
        anchor, seen = image_anchor(**options), []
        anchor.tower.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        anchor(normalised(pixels))
        return seen[0], anchor.interpolation

    # Every tag of this model was trained on 0.5 ± 0.5, so a local file was too.
    seen, interpolation = prepared(model='PE-Core-B-16')
    assert torch.allclose(seen, pixels / 255 * 2 - 1, atol=1e-4) and interpolation == 'bilinear'
    # The tags of this one differ, and a local file does not tell: OpenAI's statistics, unless the tag says otherwise.
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    assert torch.allclose(prepared(model='ViT-L-14')[0], (pixels / 255 - mean) / std, atol=1e-4)
    clip = open_clip.model.CLIP(24, VISION, dict(layers=1, width=32, heads=2, vocab_size=50))
    torch.save(clip.state_dict(), tmp_path / 'clip.pt')
    monkeypatch.setattr(open_clip.pretrained, 'download_pretrained', lambda config: tmp_path / 'clip.pt')
    seen, _ = prepared(model='ViT-L-14', pretrained='laion2b_s32b_b82k')
    assert torch.allclose(seen, pixels / 255 * 2 - 1, atol=1e-4)


def test_random_towers_are_the_same_in_every_process():
    for build in (image_anchor, lambda: CLAPAudioAnchor(base_dims=32, depths=(1, 1, 1, 1), embed_dims=20)):
        torch.manual_seed(1)
        first = build().tower.state_dict()
        torch.manual_seed(2)
        again = build().tower.state_dict()
        assert all(torch.equal(value, again[key]) for key, value in first.items())


def test_towers_are_in_no_checkpoint():
    for anchor in (image_anchor(), CLAPAudioAnchor(base_dims=32, depths=(1, 1, 1, 1), embed_dims=20)):
        assert not anchor.state_dict() and not list(anchor.parameters())
        assert not any(m.training for m in anchor.train().tower.modules())


def test_each_frame_gets_its_own_second_of_sound():
    torch.manual_seed(0)
    anchor = CLAPAudioAnchor(base_dims=32, depths=(1, 1, 1, 1), embed_dims=20)
    sound = [torch.randn(3 * 48000) * 0.1, torch.randn(2, 2 * 48000) * 0.1]
    out = anchor(sound, [48000, 48000], [3, 2])
    assert out.shape == (5, 20) and torch.isfinite(out).all()
    sound[0][48000:96000] = 0
    changed = anchor(sound, [48000, 48000], [3, 2])
    same = torch.isclose(out, changed, atol=1e-5).all(1)
    assert same.tolist() == [True, False, True, True, True]
    with pytest.raises(ValueError, match='48000 Hz'):
        anchor([sound[0]], [16000], [3])


def test_clap_projection_comes_from_the_file(tmp_path):
    small = dict(base_dims=32, depths=(1, 1, 1, 1), embed_dims=20)
    tower = CLAPAudioAnchor(**small).tower
    state = {f'module.audio_branch.{k}': torch.randn_like(v) if v.is_floating_point() else v
             for k, v in tower['audio_branch'].tower.state_dict().items()}
    state |= {f'module.audio_projection.{k}': torch.randn_like(v) for k, v in tower['audio_projection'].state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'clap.pt')
    loaded = CLAPAudioAnchor(**small, checkpoint=str(tmp_path / 'clap.pt')).tower
    assert torch.equal(loaded['audio_projection'][2].weight, state['module.audio_projection.2.weight'])
    assert torch.equal(loaded['audio_branch'].tower.norm.weight, state['module.audio_branch.norm.weight'])


def test_missing_files_are_named():
    with pytest.raises(FileNotFoundError, match=r'nowhere\.bin'):
        image_anchor(pretrained='nowhere.bin')
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at nowhere\.pt.*630k-audioset-best'):
        CLAPAudioAnchor(checkpoint='nowhere.pt')
