"""The examples of docs/en/extend.md and data.md, written to files as the pages name them: each trains and tests a batch."""
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmicf.datasets import DatasetError
from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables
from mmicf.registry import DATASETS, MODELS
from mmicf.utils.log_mel import vggish_log_mel
from mmicf.utils.run_config import drop_training_parts

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/en/extend.md').read_text(encoding='utf-8')
BLOCK = re.compile(r'^```python\n# (projects/mine/\w+\.py)\n(.*?)^```', flags=re.M | re.S)
FILES = dict(BLOCK.findall(PAGE))
CONFIGS = [name for name in FILES if name.endswith('_config.py')]


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A folder with configs/, the page's files, synthetic clips in MS3's layout and the same clips in the page's own."""
    root = tmp_path_factory.mktemp('checkout')
    (root / 'configs').symlink_to(ROOT / 'configs')
    (root / 'projects/mine').mkdir(parents=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    ms3, mine = root / 'data/synthetic_ms3', root / 'data/mine'
    rows = [row for split in ('train', 'test') for i in range(2) for row in write_clip(ClipJob(str(ms3), 'ms3', split, i, 0, 64))]
    write_tables(str(ms3), 'ms3', rows)
    mine.mkdir()
    lines = ['clip,split,seconds']
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        for i, seconds in enumerate((2, 3)):
            clip = mine / f'{split}{i}'
            clip.mkdir()
            for t in range(seconds):
                cv2.imwrite(str(clip / f'{t}.jpg'), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
                cv2.imwrite(str(clip / f'{t}.png'), (rng.random((48, 64)) > 0.5).astype(np.uint8) * 255)
            soundfile.write(clip / 'sound.wav', rng.normal(0, 0.1, 16000 * seconds), 16000)
            lines.append(f'{clip.name},{split},{seconds}')
    (mine / 'clips.csv').write_text('\n'.join(lines) + '\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        patch.chdir(root)
        yield root
    for name in [name for name in sys.modules if name.split('.')[0] == 'projects']:
        del sys.modules[name]


def test_every_block_of_the_page_is_a_file():
    assert len(FILES) == PAGE.count('```python\n') == 7 and len(CONFIGS) == 4


def train_and_test(cfg):
    """One batch of each, of the config's own two clips; the losses are finite and teach every parameter."""
    init_default_scope('mmicf')
    torch.manual_seed(0)
    train, test = (DATASETS.build(loader.dataset) for loader in (cfg.train_dataloader, cfg.test_dataloader))
    assert len(train) == len(test) == 2
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(pseudo_collate([train[0], train[1]]), True)
    total, log_vars = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    assert torch.isfinite(total) and ('icf.loss_va' in log_vars) == (cfg.model.get('icf') is not None)
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    drop_training_parts(cfg)
    plain = MODELS.build(cfg.model).eval()
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if not key.startswith('icf.')})
    with torch.no_grad():
        samples = plain.test_step(pseudo_collate([test[0], test[1]]))
    assert all(frame.av_score.shape == frame.gt_sem_seg.shape for sample in samples for frame in sample.frames)


@pytest.mark.parametrize('name', CONFIGS)
def test_example_trains_and_tests(name, checkout):
    train_and_test(Config.fromfile(checkout / name))


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A folder with configs/ and synthetic clips in MS3's layout that have log-mels in place of sounds; and the page's file."""
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    root = tmp_path / 'data/synthetic_ms3'
    rows = [row for split in ('train', 'test') for i in range(2) for row in write_clip(ClipJob(str(root), 'ms3', split, i, 0, 64))]
    write_tables(str(root), 'ms3', rows)
    sounds = root / 'Multi-sources/ms3_data/audio_wav'
    for path in sounds.rglob('*.wav'):
        target = root / 'Multi-sources/ms3_data/audio_log_mel' / path.relative_to(sounds).with_suffix('.pkl')
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(pickle.dumps(torch.from_numpy(vggish_log_mel(soundfile.read(path)[0]))))
    shutil.rmtree(sounds)
    (name, text), = BLOCK.findall((ROOT / 'docs/en/data.md').read_text(encoding='utf-8'))
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / name


def test_a_download_with_log_mels_alone_trains_and_tests(stored):
    cfg = Config.fromfile(stored)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        steps = [step.type for step in loader.dataset.pipeline]
        assert steps.count('LoadLogMel') == 1 and not {'LoadAudio', 'LogMel'} & set(steps) and steps[-1] == 'PackAVSInputs'
    stored.write_text(stored.read_text().replace('baseline_pvt_ms3', 'baseline_tiny_synthetic'))
    train_and_test(Config.fromfile(stored))
    plain = Config.fromfile('configs/icf/baseline_tiny_synthetic.py').train_dataloader.dataset
    with pytest.raises(ValueError, match=r'names no audio file.*use LoadLogMel in place of LoadAudio and LogMel \(docs/en/data'):
        DATASETS.build(plain)[0]


@pytest.mark.parametrize('base', ['icf/icf_pvt_avss', 'combo/combo_pvt_avss', 'tpavi/tpavi_pvt_s4', 'ddeseg/ddeseg_mit-vggish_ms3',
                                  'avsegformer/avsegformer_pvt_ms3_512'])
def test_log_mels_replace_the_sound_in_each_config_s_own_pipeline(stored, base):
    stored.write_text(stored.read_text().replace('icf/baseline_pvt_ms3', base))
    cfg, plain = Config.fromfile(stored), Config.fromfile(f'configs/{base}.py')
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        expected = [dict(type='LoadLogMel') if step.type == 'LogMel' else step.to_dict()
                    for step in plain[name].dataset.pipeline if step.type != 'LoadAudio']
        assert [step.to_dict() for step in cfg[name].dataset.pipeline] == expected


def test_a_cache_of_log_mels_trains_and_tests(stored):
    """Of the tool; neither sounds nor the download's own log-mels are left."""
    root, tool = Path('data/synthetic_ms3/Multi-sources'), ROOT / 'tools/dataset_converters/audio_to_logmel.py'
    command = ['ms3', str(root), '--source', 'pkl', '--splits', 'train', 'test']
    assert subprocess.run([sys.executable, str(tool), *command], check=False).returncode == 0
    shutil.rmtree(root / 'ms3_data/audio_log_mel')
    text = stored.read_text().replace('baseline_pvt_ms3', 'baseline_tiny_synthetic')
    stored.write_text(re.sub(r'pipeline=(\w+)\)', rf"pipeline=\1, log_mel_dir='{root}/log_mel')", text))
    train_and_test(Config.fromfile(stored))


def test_the_data_set_names_what_is_missing(checkout):
    init_default_scope('mmicf')
    missing = checkout / 'data/mine/train1/2.png'
    moved = missing.rename(checkout / 'elsewhere.png')
    try:
        with pytest.raises(DatasetError, match=r'train1.*2\.png'):
            DATASETS.build(Config.fromfile(checkout / 'projects/mine/my_dataset_config.py').train_dataloader.dataset)
    finally:
        moved.rename(missing)


def test_the_tower_is_frozen_and_lets_gradients_through(checkout):
    init_default_scope('mmicf')
    Config.fromfile(checkout / 'projects/mine/my_text_tower_config.py')
    tower = MODELS.build(dict(type='MyTextEncoder'))
    tokens = torch.randn(3, 4, tower.token_dims, requires_grad=True)
    out = tower(tokens)
    out.sum().backward()
    assert out.shape == (3, tower.embed_dims) and tokens.grad.abs().sum() > 0
    assert list(tower.parameters()) == [] and not tower.state_dict()
    assert torch.equal(MODELS.build(dict(type='MyTextEncoder'))(tokens.detach()), tower(tokens.detach()))
