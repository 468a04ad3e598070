"""Options of the tools become config entries; launchers' environments become torch's."""
import argparse
import importlib.util
import os
from pathlib import Path

import pytest
from mmengine.config import Config

from mmicf.utils import evaluators, setup_env

TOOLS = Path(__file__).parents[2] / 'tools'


def tool(name):
    spec = importlib.util.spec_from_file_location(f'tool_{name}', TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def base_config(**changes):
    return Config({**dict(optim_wrapper=dict(type='OptimWrapper'), test_evaluator=dict(type='AVSBenchMetric'),
                          default_hooks=dict(), custom_hooks=[dict(type='SeedHook')]), **changes})


def train_options(**changes):
    defaults = dict(config='c.py', resume=None, amp=False, auto_scale_lr=False)
    return argparse.Namespace(**{**defaults, **changes})


def test_resume(tmp_path):
    train = tool('train')
    cfg = base_config(load_from='start.pth', work_dir=str(tmp_path))
    train.apply_train_options(cfg, train_options())
    assert cfg.load_from == 'start.pth' and not cfg.get('resume')
    train.apply_train_options(cfg, train_options(resume='auto'))  # a first start: nothing to resume from
    assert cfg.load_from == 'start.pth' and not cfg.get('resume')
    (tmp_path / 'last_checkpoint').write_text('epoch_1.pth')
    train.apply_train_options(cfg, train_options(resume='auto'))
    assert cfg.resume and cfg.load_from is None
    (tmp_path / 'x.pth').touch()
    train.apply_train_options(cfg, train_options(resume=str(tmp_path / 'x.pth')))
    assert cfg.resume and cfg.load_from == str(tmp_path / 'x.pth')
    with pytest.raises(FileNotFoundError, match=r'absent\.pth'):
        train.apply_train_options(cfg, train_options(resume='absent.pth'))


def test_amp_by_device(monkeypatch):
    monkeypatch.setattr(setup_env, 'is_cuda_available', lambda: False)
    cfg = base_config()
    tool('train').apply_train_options(cfg, train_options(amp=True))
    assert cfg.optim_wrapper.type == 'mmicf.AutocastOptimWrapper'
    monkeypatch.setattr(setup_env, 'is_cuda_available', lambda: True)
    for bf16, dtype in ((True, 'bfloat16'), (False, 'float16')):
        monkeypatch.setattr(setup_env.torch.cuda, 'is_bf16_supported',
                            lambda including_emulation=True, bf16=bf16: bf16 or including_emulation)
        cfg = base_config()
        setup_env.amp_optim_wrapper(cfg)
        assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.dtype == dtype
    with pytest.raises(ValueError, match='found OptimWrapperDict'):
        setup_env.amp_optim_wrapper(base_config(optim_wrapper=dict(type='OptimWrapperDict')))


@pytest.mark.parametrize('evaluator, threshold', [
    (dict(type='AVSBenchMetric', threshold=0.3), 0.3), ([dict(type='AVSConfusionMetric'), dict(type='AVSBenchMetric')], None),
    (dict(type='mmicf.FrameEvaluator', metrics=[], clip_metrics=[dict(type='AVSRobustMetric', threshold=0.4)]), 0.4)])
def test_masks_are_written_at_the_threshold_that_is_scored(tmp_path, evaluator, threshold):
    (tmp_path / 'x.pth').touch()
    cfg = base_config(test_evaluator=evaluator)
    tool('test').apply_test_options(cfg, argparse.Namespace(checkpoint=str(tmp_path / 'x.pth'), show_dir=None, out='png'))
    writer = evaluators.clip_metrics(cfg.test_evaluator)[-1]
    assert writer['type'] == 'mmicf.AVSPredictionWriter' and writer.get('threshold') == threshold


def test_auto_scale_lr_needs_a_base():
    train = tool('train')
    cfg = base_config(auto_scale_lr=dict(base_batch_size=8, enable=False))
    train.apply_train_options(cfg, train_options(auto_scale_lr=True))
    assert cfg.auto_scale_lr.enable
    with pytest.raises(ValueError, match=r'base_batch_size in c\.py'):
        train.apply_train_options(base_config(), train_options(auto_scale_lr=True))


def test_a_batch_that_the_learning_rate_is_not_for_is_warned_of(monkeypatch):
    train, said = tool('train'), []
    monkeypatch.setattr(train, 'print_log', lambda message, *_: said.append(message))
    monkeypatch.delenv('WORLD_SIZE', raising=False)

    def warned(batch, base=8, **changes):
        said.clear()
        cfg = base_config(train_dataloader=dict(batch_size=batch), auto_scale_lr=dict(base_batch_size=base, enable=False))
        cfg.merge_from_dict(changes)
        train.warn_of_another_batch(cfg)
        return bool(said)

    assert warned(1) and '1 clips on each of 1 processes make a step of 1' in said[0] and 'for 8' in said[0]
    assert not warned(8) and not warned(1, base=None) and not warned(1, auto_scale_lr=dict(enable=True))
    assert not warned(2, optim_wrapper=dict(accumulative_counts=4))
    monkeypatch.setenv('WORLD_SIZE', '8')
    assert not warned(1) and warned(2)


def test_all_files_that_are_missing_are_found_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'vggish.pth').touch()

    def missing(name):
        return sorted(tool('train').missing_weights(Config.fromfile(TOOLS.parent / f'configs/{name}.py').model))

    published = ['pretrained/630k-audioset-best.pt', 'pretrained/CLIP-ViT-B-32-laion2B-s34B-b79K.bin', 'pretrained/pvt_v2_b5.pth',
                 'pretrained/vggish-10086976.pth']
    assert missing('icf/icf_pvt_ms3') == published
    assert missing('icf/ablations/table2_text_revision_ms3') == ['data/counterfactuals/ms3_text_revision.npz', *published]
    assert [path for path in missing('ddeseg/ddeseg_mit_ms3') if path.endswith('.npz')] == ['data/memory/htsat_avss.npz']
    assert missing('ddeseg/ddeseg_tiny_synthetic') == []
    assert tool('train').missing_weights(dict(memory=dict(path='pretrained/bank.npy'))) == ['pretrained/bank.npy']
    there = dict(a=dict(checkpoint=str(tmp_path / 'vggish.pth')), b=[dict(pretrained='https://example.org/x.pth')],
                 c=dict(pretrained='laion2b_s34b_b79k'), d=dict(checkpoint=None))
    assert tool('train').missing_weights(there) == []


def test_of_icf_only_what_the_decoder_reads_is_left_for_testing():
    icf = dict(text=dict(type='ImplicitText'), counterfactual=dict(type='SC'), contrast=dict(type='CDCLLoss'))
    plain, reads = Config(dict(model=dict(icf=icf))), Config(dict(model=dict(icf=dict(**icf, text_in_decoder=True))))
    for cfg in (plain, reads, Config(dict(model=dict(type='TPAVI')))):
        setup_env.drop_training_parts(cfg)
    assert plain.model.icf is None
    assert reads.model.icf == dict(text=icf['text'], counterfactual=None, contrast=None, text_in_decoder=True)


def test_test_options(tmp_path):
    (tmp_path / 'x.pth').touch()
    cfg = base_config(custom_hooks=[dict(type='SeedHook'), dict(type='CheckpointCheckHook')], load_from='other.pth')
    args = argparse.Namespace(checkpoint=str(tmp_path / 'x.pth'), show_dir='show', out='png')
    tool('test').apply_test_options(cfg, args)
    assert cfg.load_from == str(tmp_path / 'x.pth')
    assert cfg.default_hooks.visualization == dict(type='mmicf.AVSVisualizationHook', draw=True, show_dir='show')
    assert cfg.test_evaluator == [dict(type='AVSBenchMetric'), dict(type='mmicf.AVSPredictionWriter', out_dir='png')]
    assert cfg.custom_hooks == [dict(type='SeedHook'), dict(type='mmicf.CheckpointCheckHook', strict=True)]
    with pytest.raises(FileNotFoundError, match=r'absent\.pth'):
        tool('test').apply_test_options(cfg, argparse.Namespace(checkpoint='absent.pth', show_dir=None, out=None))


@pytest.fixture
def clean_environment(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(name, 'x')  # so that what the code sets is undone afterwards
        monkeypatch.delenv(name)


@pytest.mark.parametrize('launcher, variables', [
    ('slurm', dict(SLURM_PROCID='3', SLURM_NTASKS='4', SLURM_LOCALID='1')),
    ('mpi', dict(OMPI_COMM_WORLD_RANK='3', OMPI_COMM_WORLD_SIZE='4', OMPI_COMM_WORLD_LOCAL_RANK='1')),
    ('pytorch', dict(RANK='3', WORLD_SIZE='4', LOCAL_RANK='1')),
])
def test_launcher_variables(clean_environment, monkeypatch, launcher, variables):
    with pytest.raises(RuntimeError, match=next(iter(variables))):
        setup_env._rank_environment(launcher)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((RuntimeError, KeyError, FileNotFoundError)):
        setup_env._rank_environment(launcher)  # nobody knows the first node
    monkeypatch.setenv('MASTER_ADDR', 'node0')
    setup_env._rank_environment(launcher)
    assert [os.environ[n] for n in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT')] == ['3', '4', '1', '29500']


def test_unknown_config():
    with pytest.raises(FileNotFoundError, match=r'no config at absent\.py'):
        setup_env.load_run_config(argparse.Namespace(config='absent.py'))
