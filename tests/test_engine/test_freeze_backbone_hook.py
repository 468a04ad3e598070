"""The backbone rests in the first epochs: bit for bit, after a resume, and with the gradients of two ranks averaged afterwards."""

import pytest
import torch
import torch.distributed as torch_dist
import torch.multiprocessing as mp
from mmengine.hooks import Hook
from mmengine.runner import Runner
from toy_training import ToySegmentor, config

from mmicf.engine import FreezeBackboneHook
from mmicf.utils.checkpoint import read_run_checkpoint, use_safe_loading


@pytest.fixture(autouse=True)
def safe():
    use_safe_loading()


class Recorder(Hook):
    """Mode and weights of the backbone, iteration by iteration."""

    def __init__(self):
        self.training, self.learning, self.weights = [], [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        model = getattr(runner.model, 'module', runner.model)
        self.training.append(model.backbone.training)
        self.learning.append(model.backbone.weight.requires_grad)
        self.weights.append(model.backbone.weight.detach().clone())


def make_runner(work_dir, recorder, epochs=1, **changes):
    """Three epochs of five iterations; AdamW would decay a weight whose gradient is zero rather than absent."""
    optim = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.05, weight_decay=0.5), clip_grad=dict(max_norm=1.))
    hooks = [dict(type='SeedHook'), dict(type='FreezeBackboneHook', epochs=epochs), recorder]
    cfg = config(work_dir, optim_wrapper=optim, custom_hooks=hooks, param_scheduler=None,
                 default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1), logger=None))
    return Runner(**{**cfg, 'experiment_name': f'{work_dir.parent.name}_{work_dir.name}', **changes})


def test_backbone_rests_for_the_first_epoch_and_a_resumed_run_goes_on_alike(tmp_path):
    whole = Recorder()
    runner = make_runner(tmp_path / 'whole', whole)
    before = runner.model.backbone.weight.detach().clone()
    head = runner.model.decode_head.weight.detach().clone()
    runner.train()
    assert whole.training == whole.learning == [False] * 5 + [True] * 10
    assert all(torch.equal(weight, before) for weight in whole.weights[:5])
    first = read_run_checkpoint(tmp_path / 'whole/epoch_1.pth')['state_dict']
    assert torch.equal(first['backbone.weight'], before) and not torch.equal(first['decode_head.weight'], head)
    assert len({tuple(weight.flatten().tolist()) for weight in whole.weights[4:]}) == 11
    for start, done in (('epoch_1', 5), ('epoch_2', 10)):
        resumed = Recorder()
        make_runner(tmp_path / start, resumed, resume=True, load_from=str(tmp_path / f'whole/{start}.pth')).train()
        assert resumed.training == [True] * (15 - done)
        assert all(torch.equal(a, b) for a, b in zip(resumed.weights, whole.weights[done:], strict=True))


def test_what_was_frozen_before_stays_frozen(tmp_path):
    model = ToySegmentor()
    model.backbone.bias.requires_grad_(False)
    bias = model.backbone.bias.clone()
    recorder = Recorder()
    make_runner(tmp_path / 'run', recorder, model=model).train()
    assert not model.backbone.bias.requires_grad and torch.equal(model.backbone.bias, bias)
    assert not torch.equal(recorder.weights[-1], recorder.weights[0])


def test_it_is_told_what_cannot_work():
    with pytest.raises(ValueError, match='must not be negative, got -1'):
        FreezeBackboneHook(epochs=-1)

    class Other:
        model, epoch = torch.nn.Linear(1, 1), 0

    with pytest.raises(ValueError, match='needs a model with a `backbone`; Linear has none'):
        FreezeBackboneHook(epochs=1).before_train(Other)


def _train_rank(rank, folder):
    torch.set_num_threads(1)
    torch_dist.init_process_group('gloo', init_method=f'file://{folder}/ranks', rank=rank, world_size=2)
    try:
        out = {}
        for find in (True, False):
            recorder = Recorder()
            wrapper = dict(type='MMDistributedDataParallel', device_ids=None, find_unused_parameters=find)
            runner = make_runner(folder / f'{find}', recorder, launcher='pytorch', cfg=dict(model_wrapper_cfg=wrapper))
            try:
                runner.train()
                out[find] = recorder.weights, recorder.learning
            except ValueError as error:
                out[find] = str(error)
        torch.save(out, folder / f'{rank}.pt')
    finally:
        torch_dist.destroy_process_group()


def test_two_ranks_rest_and_then_learn_together(tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')
    mp.spawn(_train_rank, (tmp_path, ), nprocs=2)
    (weights, learning), (others, _) = (torch.load(tmp_path / f'{rank}.pt')[True] for rank in range(2))
    frozen = learning.index(True)
    assert 0 < frozen < len(learning) and learning == [i >= frozen for i in range(len(learning))]
    assert all(torch.equal(weight, weights[0]) for weight in weights[:frozen])
    assert all(torch.equal(a, b) for a, b in zip(weights, others, strict=True))
    assert not torch.equal(weights[frozen], weights[frozen - 1])
    for rank in range(2):
        assert 'find_unused_parameters=True (top level of the config)' in torch.load(tmp_path / f'{rank}.pt')[False]
