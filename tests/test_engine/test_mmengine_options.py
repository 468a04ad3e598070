"""MMEngine's options on this project's configs and tools, as docs/en/mmengine.md gives them."""
import itertools
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from toy_training import config, loader

from mmicf.datasets.synthetic_layouts import ClipJob, write_clip, write_tables

ROOT = Path(__file__).parents[2]
_count = itertools.count()


def train(path, *arguments, options=()):
    """tools/train.py in this process; the runner after training."""
    tool = ROOT / 'tools/train.py'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, '_log_env', lambda *_: None)  # asks compilers for their versions: seconds
        patch.setattr(Config, 'pretty_text', property(lambda cfg: str(cfg.to_dict())))  # formats the config by yapf: seconds
        patch.setattr(sys, 'argv', [str(tool), str(path), *map(str, arguments), '--cfg-options',
                                    f'experiment_name=options{next(_count)}', *options])
        names = runpy.run_path(str(tool), run_name='train_tool')
        args = names['parse_args']()
        cfg = names['load_run_config'](args)
        names['apply_train_options'](cfg, args)
        runner = Runner.from_cfg(cfg)
        runner.train()
    return runner


@pytest.fixture(scope='module')
def real_run(tmp_path_factory):
    """The tiny ICF model on eight synthetic clips, with every option that leaves the others alone."""
    folder = tmp_path_factory.mktemp('real')
    write_tables(str(folder), 'ms3', [row for split, n in (('train', 8), ('val', 2), ('test', 1)) for i in range(n)
                                      for row in write_clip(ClipJob(str(folder), 'ms3', split, i, 0, 64))])
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend'), dict(type='MLflowVisBackend'),
                dict(type='AVSWandbBackend', init_kwargs=dict(mode='offline'))]
    (folder / 'decoy.py').touch()
    (folder / 'backends.py').write_text(f"_base_ = '{ROOT}/configs/icf/icf_tiny_synthetic.py'\n"
                                        f'visualizer = dict(vis_backends={backends!r})\n')
    options = [f'{name}_dataloader.{key}' for name in ('train', 'val') for key in (
        f'dataset.data_root={folder}/Multi-sources', 'num_workers=0', 'persistent_workers=False', 'dataset.pipeline.2.size=(64,64)',
        'batch_size=2')]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
        return train('backends.py', '--work-dir', folder / 'work', '--amp', '--auto-scale-lr', options=[
            *options, 'train_cfg.val_interval=1', 'optim_wrapper.accumulative_counts=2', 'default_hooks.visualization.draw=True',
            'default_hooks.logger.interval=1', 'default_hooks.ema.type=EMAHook', 'default_hooks.ema.momentum=0.1',
            'default_hooks.early_stop.type=EarlyStoppingHook', 'default_hooks.early_stop.monitor=JF',
            'default_hooks.early_stop.rule=greater', 'default_hooks.early_stop.stopping_threshold=-1'])


def test_early_stopping_ends_the_run(real_run):
    assert real_run.epoch == 1 < real_run.max_epochs and real_run.iter == 4


def test_gradients_of_two_batches_make_one_step(real_run):
    steps = {int(state['step']) for state in real_run.optim_wrapper.optimizer.state.values()}
    assert steps == {2}


def test_auto_scale_lr(real_run):
    """The config's 1e-3 is for 4 clips."""
    assert {group['initial_lr'] for group in real_run.optim_wrapper.optimizer.param_groups} == {1e-3 * 2 / 4}


def test_amp_on_a_cpu(real_run):
    assert type(real_run.optim_wrapper).__name__ == 'AutocastOptimWrapper'
    with real_run.optim_wrapper.optim_context(real_run.model):
        assert torch.is_autocast_enabled('cpu') and torch.get_autocast_dtype('cpu') == torch.bfloat16


def test_averaged_weights_are_saved_beside_the_last_ones(real_run):
    checkpoint = torch.load(Path(real_run.work_dir) / 'epoch_1.pth', weights_only=False)
    averaged, last = checkpoint['state_dict'], checkpoint['ema_state_dict']
    now = real_run.model.state_dict()
    assert all(torch.equal(now[name], last[f'module.{name}']) for name in now)
    moved = [name for name in now if now[name].is_floating_point() and not torch.equal(averaged[name], now[name])]
    assert len(moved) > len(now) / 2


def test_the_best_checkpoint_is_saved(real_run):
    best = Path(real_run.message_hub.get_info('best_ckpt'))
    assert best == Path(real_run.work_dir) / 'best_JF_epoch_1.pth' and best.is_file()


def test_tensorboard(real_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(Path(real_run._log_dir) / 'vis_data'))
    events.Reload()
    assert {'loss', 'lr', 'JF'} <= set(events.Tags()['scalars']) and len(events.Scalars('loss')) == 4
    assert len(events.Tags()['images']) == 2


def test_mlflow(real_run):
    store = Path(real_run._log_dir) / 'vis_data'
    losses, = store.glob('*/*/metrics/loss')
    assert len(losses.read_text().splitlines()) == 4
    assert len(list(store.glob('*/*/metrics/JF'))) == 1
    assert len(list(store.glob('*/*/artifacts/val/*.png'))) == 2 and list(store.glob('*/*/artifacts/config.py'))


def test_wandb(real_run):
    run, = (Path(real_run._log_dir) / 'vis_data').glob('wandb/offline-run-*/*.wandb')
    content = run.read_bytes()
    assert all(name in content for name in (b'loss', b'JF', b'av_segmentor.py'))
    assert b'decoy.py' not in content  # mmengine's backend takes every file below the working directory for code


def test_local_log_is_kept_beside_the_backends(real_run):
    folder = Path(real_run._log_dir) / 'vis_data'
    lines = (folder / 'scalars.json').read_text().splitlines()
    assert sum('loss' in json.loads(line) for line in lines) == 4
    assert len(list(folder.glob('vis_image/val_*_4.png'))) == 2


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    val = loader(2, length=7, shuffle=False)
    changes = dict(model=dict(type='ToySegmentor', dropout=0.3), val_dataloader=val, val_cfg=dict(),
                   val_evaluator=dict(type='ToyMetric'), train_cfg=dict(type='ResumableEpochTrainLoop', max_epochs=6),
                   custom_hooks=[dict(type='SeedHook')])
    path = tmp_path_factory.mktemp('toy') / 'toy.py'
    Config(config('unused', **changes)).dump(path)
    return path


PATIENCE = ['default_hooks.early_stop.type=EarlyStoppingHook', 'default_hooks.early_stop.monitor=JF',
            'default_hooks.early_stop.rule=greater', 'default_hooks.early_stop.patience=2',
            'default_hooks.early_stop.min_delta=1000', 'default_hooks.checkpoint.save_best=JF',
            'default_hooks.checkpoint.rule=greater', 'default_hooks.checkpoint.interval=5']


@pytest.fixture(scope='module')
def toy_run(toy, tmp_path_factory):
    return train(toy, '--work-dir', tmp_path_factory.mktemp('plain'), options=PATIENCE)


def test_two_validations_without_gain_end_a_run(toy_run):
    assert toy_run.epoch == 3 < toy_run.max_epochs


def test_only_the_best_of_several_is_kept(toy_run):
    folder = Path(toy_run.work_dir)
    lines = next(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()
    scores = [line['JF'] for line in map(json.loads, lines) if 'JF' in line]
    assert len(scores) == 3 and toy_run.message_hub.get_info('best_score') == pytest.approx(max(scores), rel=1e-4)
    assert [path.name for path in folder.glob('best_*.pth')] == [f'best_JF_iter_{5 * (scores.index(max(scores)) + 1)}.pth']


def test_compiled_training_is_the_same_training(toy, toy_run, tmp_path):
    """By backend 'eager', which needs no compiler."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = train(toy, '--work-dir', tmp_path, options=['train_cfg.max_epochs=1', 'compile.backend=eager'])
    assert torch._dynamo.utils.counters['frames']['ok'] > 0
    plain = torch.load(Path(toy_run.work_dir) / 'iter_5.pth', weights_only=False)['state_dict']
    for name, weight in compiled.model.state_dict().items():
        torch.testing.assert_close(weight, plain[name])


def test_plain_learning_rate_and_missing_base_batch_size(toy, tmp_path):
    with pytest.raises(ValueError, match=r'--auto-scale-lr needs auto_scale_lr\.base_batch_size in .*toy\.py'):
        train(toy, '--work-dir', tmp_path, '--auto-scale-lr')
