"""ICF as a whole beside the segmentor: towers, text in the decoder, what each row of Table 2 does to the segmentor."""
import copy
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmicf.models.layers import frames_by_clip
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent / 'test_segmentors'))
from test_av_segmentor import clip, run, scores  # noqa: E402

NAMES = ('a', 'b', 'c', 'd')


@pytest.fixture(scope='module')
def cf_file(tmp_path_factory):
    """Files of the two precomputed strategies, by the end of their configs' names."""
    paths = {}
    for kind in ('replacement.npz', 'revision.npz'):
        paths[kind] = str(tmp_path_factory.mktemp('cf') / kind)
        rng = np.random.default_rng(len(kind))
        np.savez(paths[kind], **{name: rng.normal(size=(3, 8)).astype(np.float32) for name in NAMES})
    return paths


def build(seed=0, **icf):
    """The tiny ICF model; ``icf`` overrides its options, as a config would."""
    init_default_scope('mmicf')
    torch.manual_seed(seed)
    cfg = Config.fromfile(ROOT / 'configs/icf/icf_tiny_synthetic.py')
    cfg.merge_from_dict(dict(model=dict(icf=icf)))
    if icf.get('text_in_decoder'):
        cfg.model.decode_head.decoder.text_attention = True
    model = MODELS.build(cfg.model)
    for scale in model.neck.scales:
        torch.nn.init.normal_(scale.output_proj.weight, std=0.05)
    return model


def batch(frames=(2, 3, 2), size=32):
    return [clip(name, t, seed=i, size=size) for i, (name, t) in enumerate(zip(NAMES, frames, strict=False))]


def step(model, clips):
    model.train()
    return run(model, clips, 'loss')


def total(losses):
    return sum(v for k, v in losses.items() if 'loss' in k)


def test_losses_are_named_and_every_parameter_learns():
    model = build()
    losses = step(model, batch())
    assert {f'icf.loss_{n}' for n in ('mit', 'cf', 'ortho', 'va', 'vl', 'al')} == {k for k in losses if k.startswith('icf.loss')}
    assert {'icf.eps_mse', 'icf.cos_start', 'icf.cos_factual', 'icf.positive_rate', 'icf.entropy_share'} < set(losses)
    total(losses).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    towers = [model.icf.text.visual.encoder.tower, model.icf.text.audio.encoder.tower]
    assert all(p.grad is None for tower in towers for p in tower.parameters())
    for part in ('visual.prompts', 'audio.prompts', 'visual_gate', 'audio_gate', 'visual.weight_query'):
        assert any(p.grad.abs().sum() > 0 for n, p in model.icf.text.named_parameters() if n.startswith(part)), part


def test_icf_reaches_the_segmentor():
    model = build()
    losses = step(model, batch())
    contrast = losses['icf.loss_va'] + losses['icf.loss_vl'] + losses['icf.loss_al']
    contrast.backward()
    for part in (model.backbone.conv1, model.audio_backbone, model.decode_head.pixel_decoder):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_test_time_is_the_baseline_s():
    model, baseline = build(), None
    cfg = Config.fromfile(ROOT / 'configs/icf/baseline_tiny_synthetic.py').model
    baseline = MODELS.build(cfg)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith('icf.')}
    baseline.load_state_dict(state, strict=True)
    for a, b in zip(scores(model, batch()), scores(baseline, batch()), strict=True):
        assert torch.equal(a, b)


def rows_of_table_2():
    """Row of Table 2 → the options of ICF that its config changes."""
    rows = {path.stem.removeprefix('table2_').removesuffix('_ms3'): runpy.run_path(str(path))['model']['icf']
            for path in (ROOT / 'configs/icf/ablations').glob('table2_*_ms3.py')}
    for options in rows.values():
        counterfactual = options.get('counterfactual') or {}
        if counterfactual.get('_delete_') and counterfactual['type'] != 'PairSwapCounterfactual':
            counterfactual['embed_dims'] = 96  # the tiny model's
    return {'all': dict(margin=0.5), **rows}  # without any component there is no ICF; the full model comes first


def gradient(options, state, cf_file):
    """Gradient of the total loss with respect to the segmentor's audio projection, after one update of ICF's own parameters."""
    options = copy.deepcopy(options) or {}
    if 'PrecomputedCounterfactual' in str(options):
        options['counterfactual']['path'] = cf_file[options['counterfactual']['path'].rpartition('_')[2]]
    model = build(**options)
    own = model.state_dict()
    model.load_state_dict({k: v for k, v in state.items() if k in own and own[k].shape == v.shape}, strict=False)
    if options:
        optimizer = torch.optim.SGD(model.icf.parameters(), 0.5)
        total(step(model, batch())).backward()
        optimizer.step()
        model.zero_grad()
    total(step(model, batch())).backward()
    return model.audio_neck.proj.weight.grad.flatten()


def test_no_two_rows_of_table_2_give_the_segmentor_the_same_gradients(cf_file):
    state = build().state_dict()
    # L_ortho alone never reaches the segmentor; its row differs by the degrees that it leaves untrained.
    found = {name: gradient(options, state, cf_file) for name, options in rows_of_table_2().items()}
    assert len(found) == 19
    names = list(found)
    for i, a in enumerate(names):
        for b in names[:i]:
            assert (found[a] - found[b]).norm() > 1e-6 * found[a].norm(), f'{a} equals {b}'


def test_text_in_the_decoder_changes_predictions_and_needs_its_attention():
    model = build(counterfactual=None, contrast=None, text_in_decoder=True)
    clips = batch()
    before = scores(model, clips)
    model.icf.text.fuse.weight.data.normal_()
    assert not torch.allclose(before[0], scores(model, clips)[0])
    model.decode_head.decoder.text_attention = False
    with pytest.raises(ValueError, match='text_in_decoder'):
        scores(model, clips)


@pytest.mark.parametrize('host, head', [
    ('tpavi/tpavi', 'TPAVIHead'), ('avsegformer/avsegformer', 'AVSegFormerHead'), ('combo/combo', 'COMBOHead'),
    ('icf/baseline', 'AVMask2FormerHead')])
def test_text_in_the_decoder_of_a_host_that_reads_none_is_refused(host, head):
    init_default_scope('mmicf')
    cfg = Config.fromfile(ROOT / f'configs/{host}_tiny_synthetic.py').model
    icf = Config.fromfile(ROOT / 'configs/icf/icf_tiny_synthetic.py').model.icf
    with pytest.raises(ValueError, match=f'text_in_decoder=True, but {head} reads no text'):
        MODELS.build({**cfg, 'icf': {**icf, 'text_in_decoder': True}})


def test_counterfactual_text_in_the_decoder_must_do_worse():
    model = build(contrast=None, text_in_decoder=True, margin=100.)
    losses = step(model, batch())
    assert 50 < losses['icf.loss_hinge'] < 150 and not any('loss_va' in k for k in losses)
    assert model.icf.hinge(torch.tensor(1.), torch.tensor(200.))['icf.loss_hinge'] == 0
    assert model.icf.hinge(torch.tensor(3.), torch.tensor(2.))['icf.loss_hinge'] == 101


@pytest.mark.parametrize('frames', [(1, ), (1, 1, 1), (3, 1, 2)])
def test_short_clips_and_single_clips_are_finite(frames):
    losses = step(build(), batch(frames))
    total(losses).backward()
    assert all(torch.isfinite(torch.as_tensor(v)).all() for v in losses.values())


def test_autocast_keeps_losses_finite_and_close():
    clips = batch()
    exact = step(build(), clips)
    model = build()
    with torch.autocast('cpu', torch.bfloat16):
        rough = step(model, clips)
    total(rough).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    for name in ('icf.loss_va', 'icf.loss_cf', 'icf.loss_ortho'):
        assert rough[name].item() == pytest.approx(exact[name].item(), rel=0.1)


def test_frames_by_clip():
    padded, valid = frames_by_clip(torch.arange(6.)[:, None], torch.tensor([0, 0, 0, 1, 2, 2]))
    assert padded[..., 0].tolist() == [[0, 1, 2], [3, 0, 0], [4, 5, 0]]
    assert valid.tolist() == [[True] * 3, [True, False, False], [True, True, False]]


@pytest.mark.parametrize('options, found', [(dict(text=None), 'text'), (dict(contrast=None), 'contrast')])
def test_parts_that_do_not_fit_together(options, found):
    with pytest.raises(ValueError, match=found):
        build(**options)


def test_a_host_without_context_must_say_its_width():
    model = build()
    data = model.data_preprocessor(pseudo_collate(batch()), True)
    features = model.extract_feat(data['inputs'])
    shown = model._shown_to_icf(data['inputs'], features, NAMES[:3])._replace(context=None)
    with pytest.raises(ValueError, match='feature_channels'):
        model.icf.generate(shown)
    own = build(feature_channels=192)
    made, usual = own.icf.generate(shown), model.icf.generate(shown._replace(context=features.context))
    assert made.text.tokens.shape == usual.text.tokens.shape


def test_building_for_a_test_imports_no_foundation_model():
    """As tools/test.py builds it: neither open_clip, laion_clap nor diffusers is loaded (mmpretrain imports transformers)."""
    code = ('import sys; from mmengine.config import Config; from mmicf.utils.run_config import drop_training_parts; '
            'from mmicf.utils.setup_env import register_all_modules; from mmicf.registry import MODELS; register_all_modules(); '
            "cfg = Config.fromfile('configs/icf/icf_tiny_synthetic.py'); drop_training_parts(cfg); MODELS.build(cfg.model).eval(); "
            "print([m for m in ('open_clip', 'laion_clap', 'diffusers') if m in sys.modules])")
    out = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith('[]')


def test_frozen_towers_anchor_text_and_contrast():
    """Towers that ICF runs itself and cached embeddings of the same towers give the same losses."""
    model = build(text=dict(
        image_anchor=dict(type='CLIPImageAnchor', model_cfg=dict(
            embed_dim=64, vision_cfg=dict(image_size=32, layers=1, width=64, patch_size=16)))))
    plain = build()
    plain.load_state_dict(model.state_dict())
    clips = batch((2, 3, 2, 2))
    for item, seed in zip(clips, (0, 1, 0, 2), strict=True):  # the first and the third clip sound alike
        g = torch.Generator().manual_seed(seed)
        frames = len(item['inputs'].frames)
        item['inputs'] = item['inputs']._replace(audio_anchor=torch.randn(1, 512, generator=g).expand(frames, -1))
    losses = step(model, clips)
    assert losses['icf.positive_rate'].item() == pytest.approx(2 / 12)
    data = model.data_preprocessor(pseudo_collate(clips), True)
    embedded = model.icf.text.embed_frames(data['inputs'].frames)
    cached = plain(data['inputs']._replace(image_anchor=embedded), data['data_samples'], mode='loss')
    without = plain(**data, mode='loss')
    assert cached['icf.loss_mit'].item() == pytest.approx(losses['icf.loss_mit'].item(), abs=1e-5)
    assert abs(without['icf.loss_mit'].item() - losses['icf.loss_mit'].item()) > 1e-4


def test_the_audio_tower_hears_waveforms_as_its_cached_embeddings_say():
    model, plain = build(text=dict(audio_anchor=dict(type='CLAPAudioAnchor', base_dims=32, depths=(1, 1, 1, 1)))), build()
    plain.load_state_dict(model.state_dict())
    # A random tower tells sounds apart only a little: the loss has to be sensitive to it.
    model.icf.text.infonce_temperature = plain.icf.text.infonce_temperature = 0.01
    clips = batch((2, 1))
    for item, hertz in zip(clips, (200, 9000), strict=True):
        time = torch.arange(len(item['inputs'].frames) * 48000) / 48000
        item['inputs'] = item['inputs']._replace(waveform=(2 * torch.pi * hertz * time).sin(), sample_rate=48000)
    data = model.data_preprocessor(pseudo_collate(clips), True)
    inputs = data['inputs']
    with torch.no_grad():
        embedded = model.icf.text.embed_waveform(inputs.waveform, inputs.sample_rate, inputs.clip_index)
        assert embedded.shape == (3, 512)
        heard = model.train()(**data, mode='loss')
        cached = plain.train()(inputs._replace(audio_anchor=embedded), data['data_samples'], mode='loss')
        without = plain(**data, mode='loss')
    assert cached['icf.loss_mit'].item() == pytest.approx(heard['icf.loss_mit'].item(), abs=1e-5)
    assert abs(without['icf.loss_mit'].item() - heard['icf.loss_mit'].item()) > 1e-4
    with pytest.raises(ValueError, match='needs waveforms'):
        model(inputs._replace(waveform=None), data['data_samples'], mode='loss')
