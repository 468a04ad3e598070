import numpy as np
import pytest
import torch
from torchvggish.torchvggish import VGG, make_layers

from mmicf.datasets.synthetic_sound import timbre
from mmicf.models.audio_backbones import VGGish
from mmicf.registry import MODELS
from mmicf.utils.log_mel import samples_needed, vggish_log_mel
from mmicf.utils.strict_loading import CheckpointMismatchError

SHAPES = {
    'features.0': (64, 1, 3, 3), 'features.3': (128, 64, 3, 3), 'features.6': (256, 128, 3, 3),
    'features.8': (256, 256, 3, 3), 'features.11': (512, 256, 3, 3), 'features.13': (512, 512, 3, 3),
    'embeddings.0': (4096, 12288), 'embeddings.2': (4096, 4096), 'embeddings.4': (128, 4096),
}
NARROW = {'channels': (16, 32, 64, 64), 'hidden_dims': 96, 'out_dims': 48}


def _narrow(**options):
    torch.manual_seed(0)
    return VGGish(**NARROW, **options)


def _log_mel(n):
    """Numbers in the range of ln(mel + 0.01)."""
    return torch.rand(n, 1, 96, 64, generator=torch.Generator().manual_seed(0)) * 7 - 4.6


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """torchvggish's network with random weights, and its state dict as a file."""
    torch.manual_seed(0)
    network = VGG(make_layers(), postprocess=False).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # the default start leaves nearly nothing after nine layers
            parameter.normal_(std=(2 / max(1, parameter[0].numel())) ** 0.5 if parameter.ndim > 1 else 0.1)
    path = tmp_path_factory.mktemp('weights') / 'vggish-10086976.pth'
    torch.save(network.state_dict(), path)
    return network, path


def test_equals_torchvggish_with_its_checkpoint(published):
    network, path = published
    model = MODELS.build({'type': 'VGGish', 'checkpoint': str(path)})
    model.init_weights()
    with torch.no_grad():
        expected = network(_log_mel(3))
    got = model(_log_mel(3))
    assert got.shape == (3, 128) and expected.std() > 0.1
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_names_shapes_and_size_are_the_published_ones():
    with torch.device('meta'):
        model = VGGish()
    expected = {f'{name}.weight': shape for name, shape in SHAPES.items()}
    expected |= {f'{name}.bias': shape[:1] for name, shape in SHAPES.items()}
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == expected
    assert sum(p.numel() for p in model.parameters()) == 72_141_184
    assert model.embed_dims == 128


def test_frozen_means_no_gradient_no_graph_and_eval():
    model = torch.nn.Sequential(_narrow()).train()[0]
    assert not model.training and not any(m.training for m in model.modules())
    assert not any(p.requires_grad for p in model.parameters())
    log_mel = _log_mel(2).requires_grad_()
    assert model(log_mel).grad_fn is None


def test_a_narrow_one_trains():
    model = _narrow(frozen=False).train()
    assert model.training and model.embed_dims == 48
    output = model(_log_mel(4))
    assert output.shape == (4, 48)
    output.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    with torch.no_grad():
        assert model(_log_mel(4)).grad_fn is None


def _kinds(clips):
    """Log-mels of six timbres, one after the other."""
    rng = np.random.default_rng(0)
    return torch.cat([torch.from_numpy(vggish_log_mel(timbre(i % 6, samples_needed(1), rng)))[:1] for i in range(clips)]).float()


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_fresh_weights_tell_sounds_apart(seed):
    """Share of the embeddings' size that differs between sounds; plain Kaiming weights leave most of it in common."""
    torch.manual_seed(seed)
    model, sounds = VGGish(**NARROW), _kinds(24)

    def share():
        output = model(sounds)
        return (output.var(0).mean() / output.square().mean()).sqrt()

    centred = share()
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            assert layer.weight.flatten(1).sum(1).abs().max() < 1e-4
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
    assert centred > 0.5 and centred > 1.3 * share()


def test_a_narrow_one_starts_with_signals_of_sound_size():
    """PyTorch's default start shrinks the signal about tenfold over nine layers."""
    output = _narrow(frozen=False)(_log_mel(16)).detach()
    alive = (output > 0).float().mean()
    assert 0.2 < alive < 0.8 and 0.3 < output.square().mean().sqrt() / _log_mel(16).square().mean().sqrt() < 3


def test_examples_do_not_depend_on_their_batch():
    model, examples = _narrow().double(), _log_mel(4).double()
    torch.testing.assert_close(model(examples)[2:3], model(examples[2:3]), rtol=1e-10, atol=1e-10)


def test_the_fields_it_asks_a_batch_for_are_its_arguments():
    model = _narrow()
    assert model(**dict.fromkeys(VGGish.input_fields, _log_mel(2))).shape == (2, 48)


def test_wrong_input_and_options():
    with pytest.raises(ValueError, match=r'log-mel examples \(N, 1, 96, 64\), got \(2, 96, 64\)'):
        _narrow()(torch.zeros(2, 96, 64))
    with pytest.raises(ValueError, match='4 stages'):
        VGGish(channels=(16, 32))


def test_missing_checkpoint_says_what_to_get(tmp_path):
    model = _narrow(checkpoint=str(tmp_path / 'absent.pth'))  # building and testing need no file
    assert model(_log_mel(1)).shape == (1, 48)
    with pytest.raises(FileNotFoundError, match=r'absent\.pth; expected vggish-10086976\.pth .*torchvggish'):
        model.init_weights()


def test_checkpoint_of_another_model_is_refused(tmp_path):
    state = _narrow().state_dict()
    state['pproc.pca_means'] = state.pop('features.0.bias')
    torch.save(state, tmp_path / 'other.pth')
    with pytest.raises(CheckpointMismatchError, match=r'other\.pth does not fit VGGish: missing keys: 1 \(features\.0\.'
                                                      r'bias\); unexpected keys: 1 \(pproc\.pca_means\).*10086976'):
        _narrow(checkpoint=str(tmp_path / 'other.pth')).init_weights()
    torch.save(_narrow().state_dict(), tmp_path / 'narrow.pth')
    with pytest.raises(CheckpointMismatchError, match=r'features\.0\.weight: found \(16, 1, 3, 3\), expected \(8, 1'):
        VGGish(channels=(8, 8, 8, 8), hidden_dims=8, checkpoint=str(tmp_path / 'narrow.pth')).init_weights()
