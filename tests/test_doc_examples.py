"""The examples of docs/en/extend.md, written to files as the page names them: each trains and tests a batch."""
import re
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
from mmicf.utils.setup_env import drop_training_parts

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/en/extend.md').read_text(encoding='utf-8')
FILES = dict(re.findall(r'^```python\n# (projects/mine/\w+\.py)\n(.*?)^```', PAGE, flags=re.M | re.S))
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


@pytest.mark.parametrize('name', CONFIGS)
def test_example_trains_and_tests(name, checkout):
    init_default_scope('mmicf')
    torch.manual_seed(0)
    cfg = Config.fromfile(checkout / name)
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
