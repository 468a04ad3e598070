"""A set's clips as videos, and from there through the inferencer to the score that the test gives."""
import runpy
import sys
from pathlib import Path

import av
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import DATASETS, MODELS
from mmicf.utils.audio_file import read_audio

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/icf/icf_tiny_synthetic.py'


def run(monkeypatch, tool, *arguments):
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
    runpy.run_path(str(ROOT / tool), run_name='__main__')


def test_videos_hold_the_clips_and_lead_to_the_scores_of_the_test(tmp_path, monkeypatch, capsys):
    rows = [r for split, count in (('train', 1), ('val', 1), ('test', 2)) for i in range(count)
            for r in write_clip(ClipJob(str(tmp_path), 'ms3', split, i, 0, 64))]
    write_tables(str(tmp_path), 'ms3', rows)
    root = tmp_path / 'Multi-sources'
    run(monkeypatch, 'tools/dataset_converters/clips_to_mp4.py', CONFIG, tmp_path / 'videos', '--quality', 0,
        '--cfg-options', f'test_dataloader.dataset.data_root={root}')
    init_default_scope('mmicf')
    cfg = Config.fromfile(CONFIG)
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(root)))
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, 'icf': None}).eval()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'tiny.pth')
    videos = sorted((tmp_path / 'videos').iterdir())
    assert len(videos) == len(dataset) == 2
    for path in videos:
        info = next(info for info in map(dataset.get_data_info, range(2)) if Path(info['clip_id']).name == path.stem)
        with av.open(str(path)) as file:
            shown = [frame.to_ndarray(format='rgb24') for frame in file.decode(video=0)]
        with av.open(str(path)) as file:
            heard = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], 1)[0]
        assert len(shown) == 5 * 8
        given, rate = read_audio(info['audio'][0]['path'])
        given = given[0, :5 * rate]
        spectrum = np.fft.rfft(heard, 2**18) * np.conj(np.fft.rfft(given, 2**18))
        lag = int(np.fft.irfft(spectrum).argmax())
        assert min(lag, 2**18 - lag) / rate < 1 / 25, 'sound and pictures are apart by more than a frame'
    run(monkeypatch, 'tools/inference.py', *videos, '--model', CONFIG, '--weights', tmp_path / 'tiny.pth',
        '--out', tmp_path / 'out', '--device', 'cpu', '--save', 'masks')
    assert '5 pictures segmented and written' in capsys.readouterr().out
    run(monkeypatch, 'tools/analysis_tools/eval_predictions.py', tmp_path / 'out', '--dataset', 'ms3', '--root', root,
        '--empty-gt', 'skip', '--size', 64, 64)
    j = float(capsys.readouterr().out.split('avsbench: J ')[1].split(',')[0])
    ious = []
    with torch.no_grad():
        for i in range(2):
            sample, = model.test_step(pseudo_collate([dataset[i]]))
            for frame in sample.frames:
                pred, gt = frame.pred_sem_seg.data[0].numpy() == 1, frame.gt_sem_seg.data[0].numpy() == 1
                if gt.any():
                    ious.append((pred & gt).sum() / (pred | gt).sum())
    assert abs(j - 100 * np.mean(ious)) < 2, (j, np.mean(ious))
