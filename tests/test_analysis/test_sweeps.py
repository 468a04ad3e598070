"""Which runs make a curve, and their means."""
import csv
import json
from pathlib import Path

import pytest
from mmengine.config import Config

from mmicf.analysis.sweeps import draw_sweeps, point_of, read_comparison, read_robustness, read_trained, sweep_curves

CONFIGS = Path(__file__).parents[2] / 'configs/icf'
SCORES = dict(J=1., F=2.)


def settings(name):
    return point_of(Config.fromfile(CONFIGS / name), SCORES).settings


def test_settings_of_our_configs():
    plain = dict(num_counterfactuals=8, alpha=0.7, intervention_step=200, snr=(float('inf'), float('inf')), mix=(0., 0.))
    assert settings('icf_pvt_ms3.py') == plain
    assert settings('baseline_pvt_ms3.py') == {key: plain[key] for key in ('snr', 'mix')}
    for name, changed in (('kc16', dict(num_counterfactuals=16)), ('alpha03', dict(alpha=0.3)),
                          ('sd800', dict(intervention_step=800)),
                          ('icf_snr10_train', dict(snr=(10., float('inf')))), ('icf_mix250_test', dict(mix=(0., 0.25)))):
        assert settings(f'ablations/fig5_{name}_ms3.py') == {**plain, **changed}


def write_comparison(folder, names, seeds=(0, 1)):
    rows = []
    for k, name in enumerate(names):
        cfg = Config.fromfile(CONFIGS / name)
        content = f'model = {cfg.model.to_dict()!r}\n' + ''.join(
            f'{split}_dataloader = dict(dataset=dict(pipeline={cfg[split + "_dataloader"].dataset.pipeline!r}))\n'
            for split in ('train', 'test'))
        for seed in seeds:
            place = folder / Path(name).stem / f'seed{seed}'
            place.mkdir(parents=True)
            (place / Path(name).name).write_text(content)
            rows.append({'config': Path(name).stem, 'seed': seed, 'J': 10 * k + seed, 'F': 50 + k})
    with open(folder / 'results.csv', 'w', newline='') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / 'results.csv'


def test_curves_of_a_comparison(tmp_path):
    names = ['icf_pvt_ms3.py', 'ablations/fig5_kc2_ms3.py', 'ablations/fig5_icf_mix125_test_ms3.py', 'baseline_pvt_ms3.py',
             'ablations/fig5_baseline_mix125_test_ms3.py', 'ablations/table2_prototype_ms3.py']
    curves = sweep_curves(read_comparison(write_comparison(tmp_path, names)))
    assert {setting: list(by_curve) for setting, by_curve in curves.items()} == {
        'num_counterfactuals': ['ICF'], 'mix': ['ICF, test clips', 'baseline, test clips']}
    kc = curves['num_counterfactuals']['ICF']  # the prototype's contrast is another model: not among the runs of 8
    assert {x: [run['J'] for run in runs] for x, runs in kc.items()} == {8: [0, 1], 2: [10, 11]}
    figure = draw_sweeps(curves, ['J', 'F'])
    lines = [axes.containers[0].lines[0].get_xydata().tolist() for axes in figure.axes]
    assert lines == [[[2, 10.5], [8, 0.5]], [[0, 0.5], [0.125, 20.5]], [[2, 51], [8, 50]], [[0, 50], [0.125, 52]]]
    bars = figure.axes[0].containers[0].lines[2][0].get_segments()[0]
    assert bars[1][1] - bars[0][1] == pytest.approx(2 * 0.5**0.5)  # two standard deviations of 10 and 11
    low, high = figure.axes[2].get_ylim()  # F: 50 and 51
    assert high - low == pytest.approx(5) and (low + high) / 2 == pytest.approx(50.5)
    with pytest.raises(ValueError, match="has no score 'area'"):
        draw_sweeps(curves, ['area'])


def test_curves_of_robustness(tmp_path):
    path = tmp_path / 'robustness.csv'
    path.write_text('condition,J,F\noriginal,80,90\nsilence,10,20\nSNR 20 dB,75,85\nSNR -10 dB,40,50\nmixed 0.25,60,70\n')
    curves = sweep_curves(read_robustness('mine', path))
    assert {s: {n: {x: run[0]['J'] for x, run in c.items()} for n, c in by.items()} for s, by in curves.items()} == {
        'snr': {'mine, test clips': {float('inf'): 80, 20.: 75, -10.: 40}}, 'mix': {'mine, test clips': {0.: 80, 0.25: 60}}}
    axes = draw_sweeps(curves, ['J']).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ['-10', '20', 'clean']
    assert axes.containers[0].lines[0].get_xydata().tolist() == [[-10, 40], [20, 75], [50, 80]]


def test_work_dirs(tmp_path):
    def write_run(name):
        folder = tmp_path / Path(name).stem
        (folder / 'now/vis_data').mkdir(parents=True)
        Config.fromfile(CONFIGS / name).dump(folder / Path(name).name)
        (folder / 'now/vis_data/scalars.json').write_text(''.join(json.dumps(dict(J=j, F=9., step=k)) + '\n'
                                                                  for k, j in enumerate((5., 7.))))
        return folder
    assert read_trained(write_run('ablations/fig5_sd100_ms3.py')).scores == dict(J=7., F=9.)
    with pytest.raises(ValueError, match='changes test clips'):
        read_trained(write_run('ablations/fig5_icf_snr00_test_ms3.py'))
    with pytest.raises(FileNotFoundError, match='found 0 configs'):
        read_trained(tmp_path)


def test_what_is_no_curve(tmp_path):
    with pytest.raises(ValueError, match='no setting has two values'):
        draw_sweeps(sweep_curves([point_of(Config.fromfile(CONFIGS / 'icf_pvt_ms3.py'), SCORES)]), ['J'])
    path = tmp_path / 'x.csv'
    path.write_text('a,b\n1,2\n')
    with pytest.raises(ValueError, match=r"found the columns \['a', 'b'\]"):
        read_comparison(path)
