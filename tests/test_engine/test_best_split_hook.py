"""A run says on which split its best checkpoint was selected, and which it is."""
import logging

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmicf.engine import BestSplitHook


class Numbers(Dataset):
    metainfo = dict(classes=('a',))

    def __init__(self, split):
        self.split = split

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return dict(inputs=torch.ones(1))


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.w.sum()) if mode == 'loss' else [dict()]


class Rising(BaseMetric):
    """JF is 10, then 30, then 20."""

    def __init__(self):
        super().__init__()
        self.values = iter([10., 30., 20.])

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        value = next(self.values)
        return dict(JF=value, J=-value)


def train(tmp_path, split, save_best, epochs=3):
    messages = []
    loader = dict(batch_size=1, collate_fn=dict(type='default_collate'), sampler=dict(type='DefaultSampler', shuffle=False))
    runner = Runner(
        model=Model(), work_dir=str(tmp_path), experiment_name=f'{tmp_path.parent.name}_{split}_{save_best}'.replace(' ', ''),
        train_dataloader=dict(loader, dataset=Numbers('train')), val_dataloader=dict(loader, dataset=Numbers(split)),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1), val_cfg=dict(), val_evaluator=[Rising()],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), custom_hooks=[BestSplitHook()],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best=save_best, rule='greater')))
    handler = logging.Handler()
    handler.emit = lambda record: messages.append((record.levelname, record.getMessage()))
    runner.logger.addHandler(handler)
    runner.train()
    return [m for m in messages if m[1].startswith(('best checkpoint', 'the best checkpoint is selected on test'))]


def test_val_is_named_before_and_after(tmp_path):
    (_, before), (level, after) = train(tmp_path, 'val', 'JF')
    assert before == "best checkpoint: selected by JF on split 'val'"
    assert level == 'INFO' and 'best_JF_epoch_2.pth' in after and "JF 30.00 on split 'val'" in after


def test_selecting_on_test_is_a_warning(tmp_path):
    messages = train(tmp_path, 'test', 'JF', epochs=1)
    assert [level for level, _ in messages] == ['INFO', 'WARNING', 'INFO']


def test_several_metrics_have_a_line_each(tmp_path):
    messages = train(tmp_path, 'val', ['JF', 'J'])
    assert any('JF 30.00' in text for _, text in messages) and any('J -10.00' in text for _, text in messages)


@pytest.mark.parametrize('save_best', [None])
def test_without_selection_nothing_is_said(tmp_path, save_best):
    assert train(tmp_path, 'val', save_best, epochs=1) == []
