"""The attention tool on a small model: pictures of the right clips and rows."""
import pytest
from PIL import Image
from tiny_runs import make_model, make_set, run_tool


def test_pictures_of_chosen_clips(tmp_path, monkeypatch, capsys):
    root = make_set(tmp_path, 'ms3', test=3)
    config, checkpoint = make_model(tmp_path, 'icf/baseline_tiny_synthetic.py', root)
    run_tool(monkeypatch, 'attention_maps', config, checkpoint, '--out', tmp_path / 'a', '--num', 2)
    assert 'sound reaches the map in decode_head.decoder (BidirectionalQueryDecoder)' in capsys.readouterr().out
    run_tool(monkeypatch, 'attention_maps', config, checkpoint, '--out', tmp_path / 'b', '--clips', 'syntest00001', '--per-layer',
             '--sounds', 'true', 'shuffled', 'silent')
    assert sorted(p.name for p in (tmp_path / 'a').glob('*.png')) == ['syntest00000.png', 'syntest00002.png']
    assert sorted(p.name for p in (tmp_path / 'b').iterdir()) == ['syntest00001.pdf', 'syntest00001.png']
    small, tall = Image.open(tmp_path / 'a/syntest00000.png'), Image.open(tmp_path / 'b/syntest00001.png')
    # 1 + 4 rows against 1 + 3·(3 + 2·3) + 1 rows: what the features are before the sound joins is shown once
    assert small.width == tall.width and (tall.height - small.height) / (29 - 5) == pytest.approx(1.56 * 150, abs=1)
    with pytest.raises(ValueError, match="has no clip 'nobody'"):
        run_tool(monkeypatch, 'attention_maps', config, checkpoint, '--out', tmp_path, '--clips', 'nobody')
