"""Linear probe and t-SNE of embeddings."""
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_runs import make_model, make_set, run_tool

from mmicf.registry import MODELS
from mmicf.utils.dummy_inputs import dummy_batch

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/analysis_tools/embeddings.py')


def test_probe_separates_what_can_be_separated():
    tool = runpy.run_path(TOOL)
    rng = np.random.default_rng(0)
    labels = np.repeat(['a', 'b', 'c'], 30)
    told, random = rng.normal(size=(90, 4)), rng.normal(size=(90, 4))
    told[:, 0] += np.repeat([0, 8, 16], 30)
    high = pytest.approx(100, abs=3)
    assert tool['probe']((told, labels), (told + 0.1, labels)) == (high, high, pytest.approx(100 / 3))
    other = rng.permutation(labels)
    assert max(tool['probe']((random, labels), (rng.normal(size=(90, 4)), other))[:2]) < 60
    # One class only among the test frames, all of them found out but for one: the two scores differ.
    few = tool['probe']((told, labels), (np.concatenate([told[:9], told[30:31]]), np.repeat('a', 10)))
    assert few[:2] == (pytest.approx(90), pytest.approx(100 * (18 / 19) / 2))


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A config and a checkpoint on a small S4 set."""
    folder = tmp_path_factory.mktemp('s4')
    root = make_set(folder, 's4', train=6, test=4)
    config, base = folder / 'small.py', f'{ROOT}/configs/_base_'
    config.write_text(f"_base_ = ['{base}/models/tpavi_tiny.py', '{base}/datasets/avsbench_s4.py']\n"
                      f"test_dataloader = dict(num_workers=0, dataset=dict(data_root='{root}'))\n")
    init_default_scope('mmicf')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), folder / 'x.pth')
    return config, folder / 'x.pth'


def test_one_class_cannot_be_probed():
    tool = runpy.run_path(TOOL)
    with pytest.raises(ValueError, match=r"9 training frames show the classes \['a'\], expected two"):
        tool['probe']((np.zeros((9, 4)), np.repeat('a', 9)), (np.zeros((9, 4)), np.repeat('a', 9)))


def test_tool_on_a_small_set(small, tmp_path, monkeypatch, capsys):
    for kind in ('audio-visual', 'visual_embed'):
        run_tool(monkeypatch, 'embeddings', *small, '--kind', kind, '--out', tmp_path / 'out')
        assert f'small: linear probe of {kind}' in capsys.readouterr().out
    assert (tmp_path / 'out/tsne.png').stat().st_size > 1000 and (tmp_path / 'out/tsne.pdf').is_file()
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        run_tool(monkeypatch, 'embeddings', *small, '--categories', tmp_path / 'none.json')


def test_several_models_get_a_panel_each(small, tmp_path, monkeypatch, capsys):
    from PIL import Image
    config, checkpoint = small
    source = f'{config},{checkpoint}'
    run_tool(monkeypatch, 'embeddings', '--models', f'one={source}', '--out', tmp_path / 'one')
    run_tool(monkeypatch, 'embeddings', '--models', f'one={source}', f'two={source}', '--out', tmp_path / 'two')
    said = capsys.readouterr().out
    assert said.count('one: linear probe of audio-visual') == 2 and said.count('two: linear probe of audio-visual') == 1
    widths = [Image.open(tmp_path / name / 'tsne.png').width for name in ('one', 'two')]
    assert widths[1] > 1.5 * widths[0]

    shorter = tmp_path / 'shorter.py'
    shorter.write_text(f"_base_ = '{config}'\ntest_dataloader = dict(dataset=dict(indices=2))\n")
    with pytest.raises(ValueError, match=r'shorter\.py: found \d+ test frames of other clips'):
        run_tool(monkeypatch, 'embeddings', '--models', f'one={source}', f'two={shorter},{checkpoint}')
    for wrong in ((), (config, ), (*small, '--models', f'one={source}'), ('--models', f'masks={tmp_path}')):
        with pytest.raises(SystemExit, match='2'):
            run_tool(monkeypatch, 'embeddings', *wrong)


def test_text_in_the_decoder_reaches_the_embeddings():
    frame_embeddings = runpy.run_path(TOOL)['frame_embeddings']
    init_default_scope('mmicf')
    cfg = Config.fromfile(ROOT / 'configs/icf/icf_tiny_synthetic.py')
    cfg.merge_from_dict(dict(model=dict(decode_head=dict(decoder=dict(text_attention=True)),
                                        icf=dict(counterfactual=None, contrast=None, text_in_decoder=True))))
    model = MODELS.build(cfg.model).eval()
    inputs = model.data_preprocessor(dummy_batch(clips=1, frames=2, size=(32, 32)), False)['inputs']
    before = frame_embeddings(model, inputs, 'audio_embed')
    torch.nn.init.normal_(model.icf.text.fuse.weight)
    assert before.shape == (2, 96) and not torch.allclose(before, frame_embeddings(model, inputs, 'audio_embed'))


def test_models_without_what_the_tools_read_are_refused(tmp_path, monkeypatch):
    parts = Config.fromfile(ROOT / 'projects/icf_in_mmseg/configs/segformer_audio_synthetic.py')
    init_default_scope('mmseg')
    torch.save(dict(state_dict=MODELS.build(parts.model).state_dict()), tmp_path / 'host.pth')
    host = (ROOT / 'projects/icf_in_mmseg/configs/segformer_audio_synthetic.py', tmp_path / 'host.pth')
    baseline = make_model(tmp_path, 'icf/baseline_tiny_synthetic.py', tmp_path)
    ddeseg = make_model(tmp_path, 'ddeseg/ddeseg_tiny_synthetic.py', tmp_path, name='ddeseg')
    found = 'found AVEncoderDecoder with SegformerHead and no extract_maps'
    for tool, arguments, message in (
            ('embeddings', host, found), ('retrieval', host, found), ('probe_counterfactual', host, found),
            ('embeddings', (*ddeseg, '--kind', 'audio_embed'), r'found DDESeg with \w+ and no decode_head\.embed; this tool'),
            ('retrieval', baseline, r'found AVSegmentor with \w+ and no icf\.contrast; this tool reads'),
            ('probe_counterfactual', baseline, r'no icf\.text and no icf\.counterfactual\.denoiser')):
        with pytest.raises(ValueError, match=message):
            run_tool(monkeypatch, tool, *arguments)
