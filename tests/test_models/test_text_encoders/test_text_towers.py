"""Frozen text towers: equal to their libraries at full length, in no checkpoint, optimizer or train mode."""
import copy

import open_clip
import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from mmicf.models.text_encoders import CLAPTextEncoder, OpenCLIPTextEncoder
from mmicf.registry import MODELS
from mmicf.utils.model_parts import count_parameters
from mmicf.utils.strict_loading import CheckpointMismatchError

CLIP = dict(width=32, heads=4, layers=2, vocab_size=50, embed_dim=24)
ROBERTA = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, vocab_size=50,
               max_position_embeddings=79)
NAMES = ('OpenCLIPTextEncoder', 'CLAPTextEncoder')


def tower(name, **options):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    small = dict(model_cfg=CLIP) if name == NAMES[0] else dict(text_cfg=ROBERTA, embed_dims=24)
    return MODELS.build(dict(type=name, **small, **options))


def full_length(encoder, ids):
    """The library's own forward over 77 positions for texts of real tokens ``ids`` (M, n)."""
    if isinstance(encoder, OpenCLIPTextEncoder):
        text = torch.zeros(len(ids), 77, dtype=torch.long)
        text[:, 0], text[:, 1:1 + ids.shape[1]], text[:, 1 + ids.shape[1]] = 48, ids, 49
        return encoder.tower(text)
    text = torch.ones(len(ids), 77, dtype=torch.long)  # RoBERTa's padding is 1
    text[:, 0], text[:, 1:1 + ids.shape[1]], text[:, 1 + ids.shape[1]] = 0, ids, 2
    pooled = encoder.tower['text_branch'](input_ids=text, attention_mask=(text != 1).long()).pooler_output
    return encoder.tower['text_projection'](pooled)


def token_table(encoder):
    if isinstance(encoder, OpenCLIPTextEncoder):
        return encoder.tower.token_embedding.weight
    return encoder.tower['text_branch'].embeddings.word_embeddings.weight


@pytest.mark.parametrize('name', NAMES)
def test_truncated_prompts_equal_full_length_ones(name):
    encoder = tower(name)
    ids = torch.randint(3, 48, (5, 4))
    out = encoder(token_table(encoder)[ids])
    assert out.shape == (5, encoder.embed_dims) == (5, 24) and encoder.token_dims == 32
    assert torch.allclose(out, full_length(encoder, ids), atol=1e-5)
    assert not torch.allclose(out[0], out[1], atol=1e-3)


@pytest.mark.parametrize('name', NAMES)
def test_random_towers_are_the_same_in_every_process(name):
    """They are in no checkpoint: a model built again under another seed must find the tower it learned with."""
    first = tower(name).tower.state_dict()
    torch.manual_seed(7)
    small = dict(model_cfg=CLIP) if name == NAMES[0] else dict(text_cfg=ROBERTA, embed_dims=24)
    again = MODELS.build(dict(type=name, **small)).tower.state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    following = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(following, torch.rand(3))  # the model's own weights do not depend on the tower


class Host(nn.Module):
    """A model with a tower and one weight of its own."""

    def __init__(self, name):
        super().__init__()
        self.encoder = tower(name)
        self.own = nn.Linear(2, 2)


@pytest.mark.parametrize('name', NAMES)
def test_towers_are_no_part_of_the_model(name):
    host = Host(name)
    assert set(host.state_dict()) == {'own.weight', 'own.bias'} == {n for n, _ in host.named_parameters()}
    host.load_state_dict(host.state_dict(), strict=True)
    network = host.train().encoder.tower
    assert not any(m.training for m in network.modules())
    assert not any(p.requires_grad for p in network.parameters())
    assert copy.deepcopy(host).encoder.tower is network
    assert count_parameters(host)[0] == sum(p.numel() for p in network.parameters()) + 6 and count_parameters(host)[1] == 6
    host.double()
    assert {p.dtype for p in network.parameters()} == {torch.float64}
    assert host.encoder(torch.randn(1, 3, 32)).dtype == torch.float64


@pytest.mark.parametrize('name', NAMES)
def test_gradients_pass_through_to_the_pseudo_tokens(name):
    encoder = tower(name)
    pseudo = torch.randn(2, 4, 32, requires_grad=True)
    encoder(pseudo).square().sum().backward()
    assert (pseudo.grad.abs().sum((0, 2)) > 0).all()
    assert all(p.grad is None for p in encoder.tower.parameters())


@pytest.mark.parametrize('name', NAMES)
def test_more_tokens_than_positions(name):
    with pytest.raises(ValueError, match='76 pseudo-tokens'):
        tower(name)(torch.zeros(1, 76, 32))


@pytest.mark.parametrize('name', NAMES)
def test_flops_count_matrix_products_and_attention(name):
    encoder = tower(name)
    dense = 2 * 4 * 32 * 32 + (2 * 32 * 4 * 32 * 2 if name == NAMES[0] else 2 * 2 * 32 * 48)
    assert encoder.text_flops(7, 4) == 7 * (2 * 6 * dense + 2 * 4 * 36 * 32)


@pytest.mark.parametrize('custom', [False, True])
@pytest.mark.parametrize('ending', ['.bin', '.safetensors'])
def test_openclip_files_load_strictly(custom, ending, tmp_path):
    """Files of open_clip's own two classes, of which the second keeps the text tower below `text.`."""
    text = {k: v for k, v in CLIP.items() if k != 'embed_dim'}
    build = open_clip.model.CustomTextCLIP if custom else open_clip.model.CLIP
    model = build(embed_dim=24, vision_cfg=dict(image_size=32, layers=1, width=64, patch_size=16), text_cfg=text)
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    path = tmp_path / f'clip{ending}'
    if ending == '.bin':
        torch.save(dict(state_dict={f'module.{k}': v for k, v in state.items()}), path)
    else:
        from safetensors.torch import save_file
        save_file(state, path)
    encoder = tower(NAMES[0], pretrained=str(path))
    ids = torch.randint(0, 48, (3, 4))
    text = torch.cat([torch.full((3, 1), 48), ids, torch.full((3, 1), 49), torch.zeros(3, 71, dtype=torch.long)], 1)
    with torch.no_grad():
        assert torch.allclose(encoder(token_table(encoder)[ids]), model.eval().encode_text(text), atol=1e-5)


def test_clap_file_loads_by_its_published_names(tmp_path):
    """Names of 630k-audioset-best.pt; audio tower and position ids are left out."""
    state = {f'module.{k}': torch.randn_like(v) for k, v in tower(NAMES[1]).tower.state_dict().items()}
    state |= {'module.audio_branch.conv.weight': torch.zeros(1), 'module.logit_scale_t': torch.zeros(()),
              'module.text_transform.sequential.0.weight': torch.zeros(2, 2),
              'module.text_branch.embeddings.position_ids': torch.arange(5)}
    torch.save(dict(epoch=1, state_dict=state), tmp_path / 'clap.pt')
    encoder = tower(NAMES[1], checkpoint=str(tmp_path / 'clap.pt'))
    for key, value in encoder.tower.state_dict().items():
        assert torch.equal(value, state[f'module.{key}'])


def test_full_size_towers_have_the_published_names_and_shapes():
    with torch.device('meta'):
        clap, clip = CLAPTextEncoder(), OpenCLIPTextEncoder()
    published = {
        'text_branch.embeddings.word_embeddings.weight': (50265, 768),
        'text_branch.embeddings.position_embeddings.weight': (514, 768),
        'text_branch.embeddings.token_type_embeddings.weight': (1, 768),
        'text_branch.encoder.layer.11.attention.self.query.weight': (768, 768),
        'text_branch.encoder.layer.11.intermediate.dense.weight': (3072, 768),
        'text_branch.pooler.dense.weight': (768, 768),
        'text_projection.0.weight': (512, 768),
        'text_projection.2.weight': (512, 512)
    }
    shapes = {name: tuple(value.shape) for name, value in clap.tower.state_dict().items()}
    assert published.items() <= shapes.items()
    assert len(shapes) == 5 + 12 * 16 + 2 + 4
    shapes = {name: tuple(value.shape) for name, value in clip.tower.state_dict().items()}
    assert shapes['token_embedding.weight'] == (49408, 512) and shapes['positional_embedding'] == (77, 512)
    assert shapes['transformer.resblocks.11.attn.in_proj_weight'] == (1536, 512) and shapes['text_projection'] == (512, 512)
    assert (clip.embed_dims, clap.embed_dims, clip.token_dims, clap.token_dims) == (512, 512, 512, 768)


@pytest.mark.parametrize('options, name, found', [
    (dict(pretrained='weights/clip.bin'), NAMES[0], r"'weights/clip.bin' is neither a file nor a tag.*open_clip"),
    (dict(checkpoint='weights/630k.pt'), NAMES[1], r'no checkpoint at weights/630k.pt; expected 630k-audioset-best.pt'),
])
def test_missing_files_are_named_with_their_publisher(options, name, found):
    with pytest.raises(FileNotFoundError, match=found):
        tower(name, **options)


@pytest.mark.parametrize('name, option', [(NAMES[0], 'pretrained'), (NAMES[1], 'checkpoint')])
def test_files_of_other_models_are_refused(name, option, tmp_path):
    torch.save(dict(state_dict={'text_branch.x': torch.zeros(2), 'ln_final.weight': torch.zeros(7)}), tmp_path / 'other.pt')
    with pytest.raises(CheckpointMismatchError, match=r'other\.pt does not fit'):
        tower(name, **{option: str(tmp_path / 'other.pt')})


@pytest.fixture
def hub(monkeypatch):
    """In place of open_clip's download: notes what is asked for and gives ``files['clip']``, or has no network."""
    files, asked = {}, []

    def download(config, **_):
        asked.append(config)
        if 'clip' not in files:
            raise ConnectionError('no route to host')
        return files['clip']

    monkeypatch.setattr(open_clip.pretrained, 'download_pretrained', download)
    return files, asked


def test_tags_go_through_open_clip(hub, tmp_path):
    files, asked = hub
    with pytest.raises(FileNotFoundError, match=r"ViT-B-32, tag 'laion2b_s34b_b79k': not cached and not downloadable.*no route"):
        tower(NAMES[0], pretrained='laion2b_s34b_b79k')
    state = {k: torch.randn_like(v) for k, v in tower(NAMES[0]).tower.state_dict().items()}
    files['clip'] = tmp_path / 'clip.bin'
    torch.save(state, files['clip'])
    encoder = tower(NAMES[0], pretrained='laion2b_s34b_b79k')
    assert all(torch.equal(value, state[key]) for key, value in encoder.tower.state_dict().items())
    assert asked[0] == asked[1] == open_clip.pretrained.get_pretrained_cfg('ViT-B-32', 'laion2b_s34b_b79k')


def test_tags_of_another_activation_are_refused(hub, tmp_path):
    """The files' tensors fit either way, so nothing else would tell."""
    files, asked = hub
    with pytest.raises(ValueError, match='expected model ViT-B-32-quickgelu'):
        tower(NAMES[0], pretrained='openai')
    assert not asked
    files['clip'] = tmp_path / 'clip.bin'
    torch.save(tower(NAMES[0]).tower.state_dict(), files['clip'])
    pseudo = torch.randn(2, 4, 32)
    plain, quick = (tower(NAMES[0], model=f'ViT-B-32{ending}', pretrained=tag)(pseudo)
                    for ending, tag in (('', 'laion2b_s34b_b79k'), ('-quickgelu', 'openai')))
    assert (plain - quick).abs().max() > 1e-3


@pytest.mark.parametrize('options, found', [(dict(model='ViT-Z-99'), "no model 'ViT-Z-99'"),
                                            (dict(model_cfg=dict(depth=3)), 'depth'),
                                            (dict(model='ViT-B-16-SigLIP'), 'causal mask.*found .*no_causal_mask'),
                                            (dict(model='coca_ViT-B-32'), 'found embed_cls'),
                                            (dict(model='ViT-H-14-worldwide'), 'found hf_tokenizer_name'),
                                            (dict(model='roberta-ViT-B-32'), 'found hf_model_name')])
def test_unusable_models(options, found):
    with pytest.raises(ValueError, match=found):
        OpenCLIPTextEncoder(**options)
