"""The attention tool on a small model: pictures of the right clips and rows."""
import runpy

import pytest
from mmengine.config import Config
from PIL import Image
from tiny_runs import ROOT, make_model, make_set, run_tool


def test_pictures_of_chosen_clips(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'ms3', test=3)
    config, checkpoint = make_model(tmp_path, 'icf/baseline_tiny_synthetic.py', root)
    run_tool(monkeypatch, 'attention_maps', config, checkpoint, '--out', tmp_path / 'a', '--clips', 'syntest00001', '--per-layer')
    assert 'sound reaches the map in decode_head.decoder (BidirectionalQueryDecoder)' in capsys.readouterr().out
    run_tool(monkeypatch, 'attention_maps', config, checkpoint, '--out', tmp_path / 'b', '--num', 1, '--sounds', 'true', 'silent')
    assert sorted(p.name for p in (tmp_path / 'a').iterdir()) == ['syntest00001.pdf', 'syntest00001.png']
    assert sorted(p.name for p in (tmp_path / 'b').glob('*.png')) == ['syntest00000.png']
    layers, sounds = Image.open(tmp_path / 'a/syntest00001.png'), Image.open(tmp_path / 'b/syntest00000.png')
    # 1 + 4 + 2·2 rows against 1 + 4 + 3: what the features are before the sound joins is shown once
    assert layers.width == sounds.width and (layers.height - sounds.height) / (9 - 8) == pytest.approx(1.56 * 150, abs=1)
    shuffled = runpy.run_path(str(ROOT / 'tools/analysis_tools/attention_maps.py'))['heard_as'](Config.fromfile(config), 'test',
                                                                                                'shuffled', 0)
    infos = [shuffled.get_data_info(i) for i in range(3)]
    assert all(info['clip_id'] not in info['audio'][0]['path'] for info in infos)
    with pytest.raises(ValueError, match="has no clip 'nobody'"):
        run_tool(monkeypatch, 'attention_maps', config, checkpoint, '--out', tmp_path, '--clips', 'nobody')
