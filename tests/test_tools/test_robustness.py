"""One model under every kind of sound: table, csv and plot."""
import csv
import runpy
from argparse import Namespace
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_runs import make_model, make_set, run_tool

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/analysis_tools/robustness.py')


def read(out):
    with open(out / 'robustness.csv', newline='') as file:
        return {row['condition']: row for row in csv.DictReader(file)}


def test_rows_of_a_small_model(tmp_path, monkeypatch):
    config, checkpoint = make_model(tmp_path, 'tpavi/tpavi_tiny_synthetic-s4.py', make_set(tmp_path, 's4', test=12))
    out = tmp_path / 'out'
    run_tool(monkeypatch, 'robustness', config, checkpoint, '--out', out, '--snr', '0', '--mix', '1')
    found = read(out)
    assert list(found) == ['original', 'silence', 'noise', 'off-screen', 'shuffled', 'SNR 0 dB', 'mixed 1']
    for row in found.values():
        assert float(row['area']) + float(row['empty_J']) == pytest.approx(100)
        assert float(row['drop']) == pytest.approx(float(found['original']['J']) - float(row['J']))
    # A fresh TPAVI does not hear: only other pictures can change what it marks.
    assert all(float(found[name]['area']) == float(found['original']['area']) for name in list(found)[:6])
    assert float(found['mixed 1']['J']) != float(found['original']['J'])
    assert (out / 'robustness.png').stat().st_size > 1000 and (out / 'robustness.pdf').is_file()


@pytest.mark.parametrize('subset', ['s4', 'ms3', 'avss'])
def test_frames_are_mixed_before_maskiges_are_read(subset):
    cfg = Config.fromfile(ROOT / f'configs/combo/combo_pvt_{subset}.py')
    tool = runpy.run_path(TOOL)
    change = tool['conditions'](Namespace(seed=0, snr=[], mix=[0.5]), None)['mixed 0.5']
    steps = [step['type'] for step in tool['changed'](cfg, 'mixed', change, Path('out')).test_dataloader.dataset.pipeline]
    assert steps[:4] == ['LoadFrames', 'LoadMasks', 'mmicf.FrameMixing', 'LoadMaskiges']


def test_stored_log_mel_cannot_be_changed():
    with pytest.raises(ValueError, match=r"LoadAudio, found \['LoadLogMel'\]"):
        runpy.run_path(TOOL)['after']([dict(type='LoadLogMel')], 'LoadAudio', dict(type='SilenceAudio'))


def test_a_set_without_classes_has_no_off_screen_row(tmp_path, monkeypatch, capsys):
    config, checkpoint = make_model(tmp_path, 'tpavi/tpavi_tiny_synthetic.py', make_set(tmp_path, 'ms3', test=3))
    monkeypatch.setattr(Runner, 'test', lambda self: dict(J=50., F=60., JF=55., area=20., empty_J=80.))
    arguments = (config, checkpoint, '--out', tmp_path / 'out', '--snr', '--mix')
    run_tool(monkeypatch, 'robustness', *arguments)
    assert list(read(tmp_path / 'out')) == ['original', 'silence', 'noise', 'shuffled']
    printed = capsys.readouterr().out
    assert printed.count('no row for off-screen sound') == 2 and "give --categories (for MS3 AVSS's metadata.csv" in printed
    table = tmp_path / 'metadata.csv'
    listed = (tmp_path / 'Multi-sources/ms3_meta_data.csv').read_text().splitlines()
    clips = [line.split(',')[0] for line in listed if line.endswith(',test')]
    lines = [f'{clip},{clip},0,0,{name},test,v1m\n' for clip, name in zip(clips, ('dog_cat', 'man', 'dog'), strict=True)]
    table.write_text('vid,uid,s_min,s_sec,a_obj,split,label\n' + ''.join(lines))
    run_tool(monkeypatch, 'robustness', *arguments, '--categories', table)
    assert list(read(tmp_path / 'out')) == ['original', 'silence', 'noise', 'off-screen', 'shuffled']
    made = tmp_path / 'out/categories.json'
    own = made.rename(tmp_path / 'own.json')
    run_tool(monkeypatch, 'robustness', *arguments, '--cfg-options', f'test_dataloader.dataset.categories={own}')
    assert list(read(tmp_path / 'out')) == ['original', 'silence', 'noise', 'off-screen', 'shuffled'] and not made.exists()
    assert 'no row for' not in capsys.readouterr().out
    table.write_text('vid,uid,s_min,s_sec,a_obj,split,label\n' + ''.join(line.replace('man', 'dog') for line in lines))
    monkeypatch.setattr(Runner, 'test', lambda self: pytest.fail('ran a test before it said that a row cannot be had'))
    with pytest.raises(ValueError, match='offscreen_audio: every sound of 5 frames'):
        run_tool(monkeypatch, 'robustness', *arguments, '--categories', table)


def test_rows_before_a_fault_are_kept(tmp_path, monkeypatch):
    config, checkpoint = make_model(tmp_path, 'tpavi/tpavi_tiny_synthetic.py', make_set(tmp_path, 'ms3', test=2))
    left = [dict(J=50., F=60., JF=55., area=20., empty_J=80.), dict(J=30., F=40., JF=35., area=10., empty_J=90.)]
    monkeypatch.setattr(Runner, 'test', lambda self: left.pop(0))
    with pytest.raises(IndexError):
        run_tool(monkeypatch, 'robustness', config, checkpoint, '--out', tmp_path / 'out')
    found = read(tmp_path / 'out')
    assert list(found) == ['original', 'silence'] and float(found['silence']['drop']) == 20


def test_metric_of_a_config():
    metric = runpy.run_path(TOOL)['robust_metric']
    confusion = dict(type='AVSConfusionMetric')
    assert metric([confusion], 2) == dict(type='mmicf.AVSRobustMetric', task='binary')
    assert metric(confusion, 71) == dict(type='mmicf.AVSRobustMetric', task='semantic')
    own = dict(type='mmicf.AVSBenchMetric', task='semantic', absent='skip', per_class_out='x.csv')
    assert metric([confusion, own], 71) == dict(type='mmicf.AVSRobustMetric', task='semantic', absent='skip')
