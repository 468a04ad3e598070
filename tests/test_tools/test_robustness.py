"""One model under every kind of sound: table, csv and plot."""
import csv
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import MODELS

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/analysis_tools/robustness.py')


def test_rows_of_a_small_model(tmp_path, monkeypatch):
    rows = [r for split, n in (('train', 1), ('val', 1), ('test', 12)) for i in range(n)
            for r in write_clip(ClipJob(str(tmp_path), 's4', split, i, 0, 48))]
    write_tables(str(tmp_path), 's4', rows)
    config = tmp_path / 'small.py'
    base = f'{ROOT}/configs/_base_'
    config.write_text(f"_base_ = ['{base}/models/tpavi_tiny.py', '{base}/datasets/avsbench_s4.py', '{base}/schedules/tiny.py',\n"
                      f"          '{base}/default_runtime.py']\n"
                      f"test_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=4,\n"
                      f"                       dataset=dict(data_root='{tmp_path}/Single-source'))\n")
    init_default_scope('mmicf')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), tmp_path / 'x.pth')
    out = tmp_path / 'out'
    monkeypatch.setattr(sys, 'argv', [TOOL, str(config), str(tmp_path / 'x.pth'), '--out', str(out), '--snr', '0', '--mix', '1'])
    runpy.run_path(TOOL, run_name='__main__')
    with open(out / 'robustness.csv', newline='') as file:
        found = {row['condition']: row for row in csv.DictReader(file)}
    assert list(found) == ['original', 'silence', 'noise', 'off-screen', 'shuffled', 'SNR 0 dB', 'mixed 1']
    for row in found.values():
        assert float(row['area']) + float(row['empty_J']) == pytest.approx(100)
        assert float(row['drop']) == pytest.approx(float(found['original']['J']) - float(row['J']))
    # A fresh TPAVI does not hear: only other pictures can change what it marks.
    assert all(float(found[name]['area']) == float(found['original']['area']) for name in list(found)[:6])
    assert float(found['mixed 1']['J']) != float(found['original']['J'])
    assert (out / 'robustness.png').stat().st_size > 1000 and (out / 'robustness.pdf').is_file()


def test_stored_log_mel_cannot_be_changed():
    with pytest.raises(ValueError, match=r"LoadAudio, found \['LoadLogMel'\]"):
        runpy.run_path(TOOL)['after']([dict(type='LoadLogMel')], 'LoadAudio', dict(type='SilenceAudio'))
