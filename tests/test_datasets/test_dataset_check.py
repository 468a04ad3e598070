"""Files that may not be read are named, and the rest is checked."""
import os

import pytest

from mmicf.datasets import AVSBenchMS3Dataset, dataset_check
from mmicf.datasets.dataset_check import unlisted_folders, unusable_files


@pytest.fixture
def clips(ms3_root):
    return AVSBenchMS3Dataset(data_root=str(ms3_root), split='train', verify=False, lazy_init=True).load_data_list()


def test_files_without_permission(clips, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied', str(path))

    log_mel = clips[0]['frame_paths'][0]  # a file that is there
    monkeypatch.setattr(dataset_check, 'read_audio', refuse)
    monkeypatch.setattr(dataset_check, 'read_log_mel', refuse)
    assert unusable_files({**clips[0], 'log_mel_path': log_mel}) == [
        ('x_0', clips[0]['audio'][0]['path'], 'Permission denied', 'sound'),
        ('x_0', log_mel, 'Permission denied', 'log-mel examples')]


def test_a_folder_of_clips_that_cannot_be_listed(clips, ms3_root, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, 'Permission denied', str(folder))

    (ms3_root / 'ms3_data/visual_frames/stranger').mkdir()
    assert [problem.clip_id for problem in unlisted_folders(clips, True)] == ['stranger', 'w', 'z_0']
    monkeypatch.setattr(os, 'scandir', refuse)
    problem, = unlisted_folders(clips, True)
    assert problem.path == str(ms3_root / 'ms3_data/visual_frames') and 'cannot be listed (Permission denied)' in problem.found
