import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from mmicf.models.audio_backbones import HTSAT
from mmicf.registry import MODELS
from mmicf.utils.laion_clap_import import import_clap_module
from mmicf.utils.strict_loading import CheckpointMismatchError

SMALL = {'base_dims': 32, 'depths': (2, 2, 2, 2)}


def _small(**options):
    torch.manual_seed(0)
    return HTSAT(**{**SMALL, **options})


def _reference(model, num_classes=527, **extra):
    """laion_clap's own network, classifier included, with the weights of ``model``."""
    end = model.front_end
    config = SimpleNamespace(sample_rate=end.sample_rate, window_size=1024, mel_bins=64, hop_size=end.hop_size,
                             fmin=end.fmin, fmax=end.fmax)
    reference = import_clap_module('htsat').HTSAT_Swin_Transformer(
        embed_dim=model.embed_dims // 8, depths=[2, 2, 2, 2], num_heads=[4, 8, 16, 32], window_size=8, config=config,
        num_classes=num_classes, **extra)
    reference.load_state_dict(model.tower.state_dict(), strict=False)
    return reference.eval()


def _waveforms(*seconds, rate=22050):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(round(s * rate), generator=generator) * 0.6 - 0.3 for s in seconds]


def _randomise_norm(model):
    """Statistics as after training, so that the batch norm matters."""
    with torch.no_grad():
        model.tower.bn0.running_mean.uniform_(-40, -20)
        model.tower.bn0.running_var.uniform_(50, 200)


@pytest.mark.parametrize('front_end, rate, tiles', [('ddeseg', 22050, 1), ('laion', 48000, 10)])
def test_equals_laion_clap_on_each_second(front_end, rate, tiles):
    model = _small(front_end=front_end)
    _randomise_norm(model)
    waveforms = _waveforms(2, 1, rate=rate)
    waveforms[0][rate:] *= torch.linspace(0, 0.2, rate)
    got = model(waveforms, [rate, rate], torch.tensor([0, 0, 1]))
    seconds = torch.stack([waveforms[0][:rate], waveforms[0][rate:], waveforms[1]])
    with torch.no_grad():
        expected = _reference(model)({'waveform': seconds.repeat(1, tiles)}, device='cpu')['embedding']
    assert got.shape == (3, 256) and (expected[0] - expected[1]).abs().max() > 0.05
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_ddeseg_spectrogram_and_a_sane_filter_bank():
    """87 windows of a second; its config's fmax of 50 Hz would make every filter NaN."""
    tower = _small().tower
    spectrogram = tower.spectrogram_extractor(_waveforms(1)[0][None])
    assert spectrogram.shape == (1, 1, 87, 513)
    bank = tower.logmel_extractor.melW
    assert bank.shape == (513, 64) and torch.isfinite(bank).all() and (bank.sum(0) > 0).all()
    assert bank[513 * 50 // 11025 + 2:].sum() > 0 and bank[:2].sum() == 0
    assert torch.isfinite(tower.logmel_extractor(spectrogram)).all()


def test_full_size_is_the_published_one():
    model = MODELS.build({'type': 'HTSAT'})
    assert model.embed_dims == 768
    trained = {name: tuple(v.shape) for name, v in model.tower.state_dict().items()}
    assert trained['patch_embed.proj.weight'] == (96, 1, 4, 4)
    assert trained['layers.2.blocks.5.attn.relative_position_bias_table'] == (225, 16)
    assert trained['layers.3.blocks.1.mlp.fc1.weight'] == (3072, 768)
    assert len(trained) == 196  # the 200 tensors of the published tower less 4 of its classifier
    assert model(_waveforms(1), [22050], torch.tensor([0])).shape == (1, 768)


def test_frames_hear_their_own_second():
    model = _small()
    first, second = _waveforms(3, 2)
    index = torch.tensor([0, 0, 0, 1, 1])
    cut = model.cut([first, second], [22050, 22050], index)
    torch.testing.assert_close(cut, torch.cat([first.view(3, -1), second.view(2, -1)]))
    longer = torch.cat([first, torch.ones(5000)])
    torch.testing.assert_close(model.cut([longer, second], [22050, 22050], index), cut)
    stereo = torch.stack([first + 0.1, first - 0.1])
    torch.testing.assert_close(model.cut([stereo, second], [22050, 22050], index), cut)
    with_all = model([first, second], [22050, 22050], index)
    alone = model([second], [22050], torch.tensor([0, 0]))
    torch.testing.assert_close(with_all[3:], alone, rtol=1e-4, atol=1e-5)


def test_wrong_waveforms_are_refused():
    model, index = _small(), torch.tensor([0, 0])
    with pytest.raises(ValueError, match=r'clip 0 of the batch: waveform at 16000 Hz; .* expects 22050 Hz'):
        model(_waveforms(2, rate=16000), [16000], index)
    with pytest.raises(ValueError, match=r'clip 0 of the batch: 1\.50 s of sound for 2 frames; .*FitWaveform'):
        model(_waveforms(1.5), [22050], index)
    with pytest.raises(ValueError, match='front_end must be one of'):
        HTSAT(front_end='vggish')


def test_frozen_stays_as_it_is_in_training():
    """DDESeg's release moves the batch norm statistics and drops paths while it trains."""
    model = torch.nn.Sequential(_small()).train()[0]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    waveform = [_waveforms(2)[0].requires_grad_()]
    first = model(waveform, [22050], torch.tensor([0, 0]))
    second = model(waveform, [22050], torch.tensor([0, 0]))
    assert first.grad_fn is None and torch.equal(first, second)
    assert not any(m.training for m in model.modules()) and not any(p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_unfrozen_trains():
    model = _small(frozen=False).train()
    assert model.training
    model(_waveforms(2), [22050], torch.tensor([0, 0])).square().mean().backward()
    assert model.tower.layers[0].blocks[0].attn.qkv.weight.grad.abs().sum() > 0
    assert model.tower.bn0.num_batches_tracked == 1
    assert not model.tower.logmel_extractor.melW.requires_grad  # the front end is no parameter to learn


@pytest.mark.parametrize('prefix, wrapped, num_classes', [('', False, 527), ('audio_model.', False, 71),
                                                          ('module.audio_branch.', True, 527)])
def test_published_layouts_load(tmp_path, prefix, wrapped, num_classes):
    """DDESeg's bare file, a whole DDESeg model and LAION-CLAP's file, each with its classifier and other parts."""
    source = _small()
    _randomise_norm(source)
    with torch.no_grad():  # the file's filter bank wins over the front end's
        source.tower.logmel_extractor.melW.mul_(0.5)
    state = {prefix + name: value for name, value in _reference(source, num_classes).state_dict().items()}
    if prefix:
        state |= {'module.text_branch.pooler.dense.weight': torch.zeros(2, 2), 'backbone.patch_embed1.proj.weight':
                  torch.zeros(2)}
    torch.save({'epoch': 3, 'state_dict': state} if wrapped else state, tmp_path / 'a.pt')
    torch.manual_seed(1)
    model = HTSAT(**SMALL, checkpoint=str(tmp_path / 'a.pt'))
    model.init_weights()
    for name, value in source.tower.state_dict().items():
        assert torch.equal(model.tower.state_dict()[name], value), name


def test_constants_of_the_architecture_may_be_left_out(tmp_path):
    source = _small()
    state = {name: value for name, value in source.tower.state_dict().items()
             if not name.endswith(('attn_mask', 'relative_position_index'))}
    torch.save(state, tmp_path / 'a.pt')
    model = _small(checkpoint=str(tmp_path / 'a.pt'))
    model.init_weights()
    assert torch.equal(model.tower.norm.weight, source.tower.norm.weight)


def test_other_checkpoints_are_refused(tmp_path):
    path = tmp_path / 'a.pt'
    with pytest.raises(FileNotFoundError, match=r'a\.pt; expected HTSAT_AudioSet_Saved_1_clean\.ckpt .*Yenan/DDESeg'):
        _small(checkpoint=str(path)).init_weights()
    torch.save({'layer4.weight': torch.zeros(1)}, path)
    with pytest.raises(CheckpointMismatchError, match=r"a\.pt: 0 keys end in .*first keys are \['layer4\.weight'\]"):
        _small(checkpoint=str(path)).init_weights()
    state = _small().tower.state_dict()
    state['patch_embed.mel_conv2d.weight'] = state.pop('norm.bias')  # LAION-CLAP with fusion has such keys
    torch.save(state, path)
    with pytest.raises(CheckpointMismatchError, match=r'missing keys: 1 \(norm\.bias\); unexpected keys: 1 '
                                                      r'\(patch_embed\.mel_conv2d\.weight\).*630k-audioset-best\.pt'):
        _small(front_end='laion', checkpoint=str(path)).init_weights()


def test_importing_needs_no_network_and_leaves_the_package_alone():
    code = '''
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError('the network was asked for')
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from mmicf.utils.laion_clap_import import import_clap_module
htsat, model = import_clap_module('htsat'), import_clap_module('model')
assert model.create_htsat_model is htsat.create_htsat_model and hasattr(model, 'CLAP')
assert import_clap_module('htsat') is htsat
assert 'laion_clap' not in sys.modules and 'laion_clap.clap_module' not in sys.modules
assert 'laion_clap.hook' not in sys.modules and 'webdataset' not in sys.modules
import importlib.util
assert importlib.util.find_spec('laion_clap').origin.endswith('__init__.py')
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_laion_clap_the_extra_is_named(monkeypatch):
    import importlib.util
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec',
                        lambda name, package=None: None if name == 'laion_clap' else find_spec(name, package))
    monkeypatch.delitem(sys.modules, 'laion_clap.clap_module.htsat', raising=False)
    with pytest.raises(ImportError, match=r"mmicf\[clap\]"):
        HTSAT(**SMALL)
