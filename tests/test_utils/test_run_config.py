"""A run's config: what testing leaves out, mixed precision by device, silence, work dirs."""
import argparse

import pytest
from mmengine.config import Config

from mmicf.utils import run_config


def plain_config(wrapper=None):
    return Config(dict(optim_wrapper=wrapper or dict(type='OptimWrapper')))


def test_amp_by_device(monkeypatch):
    monkeypatch.setattr(run_config, 'is_cuda_available', lambda: False)
    cfg = plain_config()
    run_config.amp_optim_wrapper(cfg)
    assert cfg.optim_wrapper.type == 'mmicf.AutocastOptimWrapper'
    monkeypatch.setattr(run_config, 'is_cuda_available', lambda: True)
    for bf16, dtype in ((True, 'bfloat16'), (False, 'float16')):
        monkeypatch.setattr(run_config.torch.cuda, 'is_bf16_supported',
                            lambda including_emulation=True, bf16=bf16: bf16 or including_emulation)
        cfg = plain_config()
        run_config.amp_optim_wrapper(cfg)
        run_config.amp_optim_wrapper(cfg)  # a second time changes nothing
        assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.dtype == dtype
    with pytest.raises(ValueError, match='found OptimWrapperDict'):
        run_config.amp_optim_wrapper(plain_config(dict(type='OptimWrapperDict')))


def test_of_icf_only_what_the_decoder_reads_is_left_for_testing():
    icf = dict(text=dict(type='ImplicitText'), counterfactual=dict(type='SC'), contrast=dict(type='CDCLLoss'))
    plain, reads = Config(dict(model=dict(icf=icf))), Config(dict(model=dict(icf=dict(**icf, text_in_decoder=True))))
    for cfg in (plain, reads, Config(dict(model=dict(type='TPAVI')))):
        run_config.drop_training_parts(cfg)
    assert plain.model.icf is None
    assert reads.model.icf == dict(text=icf['text'], counterfactual=None, contrast=None, text_in_decoder=True)


def test_unknown_config():
    with pytest.raises(FileNotFoundError, match=r'no config at absent\.py'):
        run_config.load_run_config(argparse.Namespace(config='absent.py'))


@pytest.mark.parametrize(('content', 'chosen', 'train', 'test'), [
    ('a = 1', None, 'work_dirs/mine', 'work_dirs/mine/test'), ("work_dir = 'runs/x'", None, 'runs/x', 'runs/x/test'),
    ("work_dir = 'runs/x'", 'here', 'here', 'here')])
def test_a_test_has_a_work_dir_of_its_own(tmp_path, monkeypatch, content, chosen, train, test):
    """Its config, written there, would replace the training's."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    (tmp_path / 'mine.py').write_text(content)
    args = argparse.Namespace(config=str(tmp_path / 'mine.py'), cfg_options=None, launcher='none', work_dir=chosen, local_rank=0)
    assert run_config.load_run_config(args).work_dir == train
    assert run_config.load_run_config(args, subfolder='test').work_dir == test


@pytest.mark.parametrize('scope', ['', 'mmicf.', 'mmicf.datasets.transforms.'])
def test_parts_are_known_with_any_scope(scope):
    hooks = [dict(type=f'{scope}SeedHook'), dict(type=f'{scope}CheckpointCheckHook')]
    cfg = Config(dict(custom_hooks=hooks))
    run_config.checkpoint_check(cfg, strict=True)
    assert cfg.custom_hooks == [hooks[0], dict(type='mmicf.CheckpointCheckHook', strict=True)]
    pipeline = [dict(type=f'{scope}LoadAudio'), dict(type='LogMel')]
    assert run_config.silent_pipeline(pipeline) == [pipeline[0], dict(type='mmicf.SilenceAudio'), pipeline[1]]
    with pytest.raises(ValueError, match=r"LoadAudio\), found \['LogMel'\]"):
        run_config.silent_pipeline(pipeline[1:])
