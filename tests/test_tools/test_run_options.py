"""Options of tools/train.py and tools/test.py become config entries; what is amiss is said before the run."""
import argparse
import importlib.util
from pathlib import Path

import pytest
from mmengine.config import Config

from mmicf.utils import evaluators

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


@pytest.fixture
def train_and_said(monkeypatch):
    """The tool and the list of what it prints."""
    train, said = tool('train'), []
    monkeypatch.setattr(train, 'print_log', lambda message, *_: said.append(message))
    return train, said


def test_a_batch_that_the_learning_rate_is_not_for_is_warned_of(train_and_said):
    train, said = train_and_said

    def warned(batch, base=8, processes=1, **changes):
        said.clear()
        cfg = base_config(train_dataloader=dict(batch_size=batch), auto_scale_lr=dict(base_batch_size=base, enable=False))
        cfg.merge_from_dict(changes)
        train.warn_of_another_batch(cfg, processes)
        return bool(said)

    assert warned(1) and '1 clips on each of 1 processes make a step of 1' in said[0] and 'for 8' in said[0]
    assert not warned(8) and not warned(1, base=None) and not warned(1, auto_scale_lr=dict(enable=True))
    assert not warned(2, optim_wrapper=dict(accumulative_counts=4))
    assert not warned(1, processes=8) and warned(2, processes=8)


def test_of_several_processes_the_first_warns_with_the_launcher_s_count(train_and_said, monkeypatch):
    train, said = train_and_said
    cfg = base_config(launcher='slurm', train_dataloader=dict(batch_size=1), auto_scale_lr=dict(base_batch_size=8),
                      model=dict(checkpoint='absent.pth'))
    monkeypatch.delenv('WORLD_SIZE', raising=False)  # slurm has a variable of its own
    for name, value in (('SLURM_NTASKS', '8'), ('SLURM_LOCALID', '0')):
        monkeypatch.setenv(name, value)

    def messages(rank):
        said.clear()
        monkeypatch.setenv('SLURM_PROCID', rank)
        train.warn_before_run(cfg)
        return len(said)

    assert messages('0') == 1 and 'missing files: absent.pth' in said[0]
    assert messages('1') == 0
    monkeypatch.setenv('SLURM_NTASKS', '4')
    assert messages('0') == 2 and 'of 4 processes make a step of 4' in said[0]
    assert messages('3') == 0


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


def test_quickstart_tests_in_a_folder_of_their_own(monkeypatch):
    """In the training's work dir, the runner would write the test's config over the training's."""
    quickstart, places = tool('quickstart'), []

    class Runner:

        @classmethod
        def from_cfg(cls, cfg):
            places.append((cfg.work_dir, cfg.load_from))
            return cls()

        def test(self):
            return {'above_0.5/J': 40.}

    monkeypatch.setattr(quickstart, 'Runner', Runner)
    cfg = base_config(work_dir='runs/x', default_hooks=dict(visualization=dict(type='AVSVisualizationHook')),
                      test_dataloader=dict(dataset=dict()))
    assert quickstart.test(cfg, 'x.pth') == [40.]
    assert places == [('runs/x/test', 'x.pth')] and cfg.work_dir == 'runs/x'
