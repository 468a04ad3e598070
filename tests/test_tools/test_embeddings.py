"""Linear probe and t-SNE of embeddings."""
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_runs import make_model, run_tool

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/analysis_tools/embeddings.py')


def test_probe_separates_what_can_be_separated():
    tool = runpy.run_path(TOOL)
    rng = np.random.default_rng(0)
    labels = np.repeat(['a', 'b', 'c'], 30)
    told, random = rng.normal(size=(90, 4)), rng.normal(size=(90, 4))
    told[:, 0] += np.repeat([0, 8, 16], 30)
    assert tool['probe']((told, labels), (told + 0.1, labels)) == (pytest.approx(100, abs=3), pytest.approx(100 / 3))
    other = rng.permutation(labels)
    assert tool['probe']((random, labels), (rng.normal(size=(90, 4)), other))[0] < 60


def test_tool_on_a_small_set(tmp_path, monkeypatch, capsys):
    rows = [r for split, n in (('train', 6), ('val', 1), ('test', 4)) for i in range(n)
            for r in write_clip(ClipJob(str(tmp_path), 's4', split, i, 0, 48))]
    write_tables(str(tmp_path), 's4', rows)
    config = tmp_path / 'small.py'
    base = f'{ROOT}/configs/_base_'
    config.write_text(f"_base_ = ['{base}/models/tpavi_tiny.py', '{base}/datasets/avsbench_s4.py']\n"
                      f"test_dataloader = dict(dataset=dict(data_root='{tmp_path}/Single-source'))\n")
    init_default_scope('mmicf')
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), tmp_path / 'x.pth')
    for kind in ('audio-visual', 'visual_embed'):
        out = str(tmp_path / 'out')
        monkeypatch.setattr(sys, 'argv', [TOOL, str(config), str(tmp_path / 'x.pth'), '--kind', kind, '--out', out])
        runpy.run_path(TOOL, run_name='__main__')
        assert f'linear probe of {kind}' in capsys.readouterr().out
    assert (tmp_path / 'out/tsne.png').stat().st_size > 1000 and (tmp_path / 'out/tsne.pdf').is_file()
    monkeypatch.setattr(sys, 'argv', [TOOL, str(config), str(tmp_path / 'x.pth'), '--categories', str(tmp_path / 'none.json')])
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        runpy.run_path(TOOL, run_name='__main__')


def test_models_without_what_the_tools_read_are_refused(tmp_path, monkeypatch):
    parts = Config.fromfile(ROOT / 'projects/icf_in_mmseg/configs/segformer_audio_synthetic.py')
    init_default_scope('mmseg')
    torch.save(dict(state_dict=MODELS.build(parts.model).state_dict()), tmp_path / 'host.pth')
    host = (ROOT / 'projects/icf_in_mmseg/configs/segformer_audio_synthetic.py', tmp_path / 'host.pth')
    baseline = make_model(tmp_path, 'icf/baseline_tiny_synthetic.py', tmp_path)
    ddeseg = make_model(tmp_path, 'ddeseg/ddeseg_tiny_synthetic.py', tmp_path, name='ddeseg')
    found = 'found AVEncoderDecoder with SegformerHead and no extract_audio'
    for tool, arguments, message in (
            ('embeddings', host, found), ('retrieval', host, found), ('probe_counterfactual', host, found),
            ('embeddings', (*ddeseg, '--kind', 'audio_embed'), r'found DDESeg with \w+ and no decode_head\.embed; this tool'),
            ('retrieval', baseline, r'found AVSegmentor with \w+ and no icf\.contrast; this tool reads'),
            ('probe_counterfactual', baseline, r'no icf\.text and no icf\.counterfactual\.denoiser')):
        with pytest.raises(ValueError, match=message):
            run_tool(monkeypatch, tool, *arguments)
