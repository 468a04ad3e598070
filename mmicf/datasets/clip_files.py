"""Checks that the files of a list of clips exist, one directory listing per folder."""
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Problem(NamedTuple):
    """One fault of one clip: which file, what is there, and what should be."""
    clip_id: str
    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f'clip {self.clip_id}: {self.path}: found {self.found}, expected {self.expected}'


class DatasetError(ValueError):
    """Files of a dataset are missing or do not fit each other. ``problems`` holds all of them, the message the first
    ten."""

    def __init__(self, title: str, problems: Sequence[Problem], num_clips: int) -> None:
        self.problems = list(problems)
        bad = len({p.clip_id for p in problems})
        lines = [f'{title}: {bad} of {num_clips} clips cannot be used']
        lines += [f'  {p}' for p in self.problems[:10]]
        if len(self.problems) > 10:
            lines.append(f'  and {len(self.problems) - 10} more (see .problems of this error)')
        super().__init__('\n'.join(lines))


def find_problems(data_list: Sequence[dict], frames_own_folder: bool) -> list[Problem]:
    """Missing folders and files of the clips, clips without any sound file, and folders with more frames than the clip
    has.

    Args:
        data_list: data infos with the keys of docs/en/data_flow.md.
        frames_own_folder: the folder of a clip's frames holds nothing but these frames, so that a surplus is a fault.
    """
    folders: dict[str, frozenset[str] | str] = {}
    return [problem for info in data_list for problem in _clip_problems(info, folders, frames_own_folder)]


def _clip_problems(info: dict, folders: dict, frames_own_folder: bool) -> list[Problem]:
    clip_id, total, problems, missing_folders = info['clip_id'], info['num_frames'], [], set()

    def check(path: str, what: str) -> None:
        folder, name = os.path.split(path)
        names = _list_folder(folder, folders)
        if isinstance(names, str):
            if folder not in missing_folders:
                problems.append(Problem(clip_id, folder, names, f'a folder with the {what}'))
                missing_folders.add(folder)
        elif name not in names:
            problems.append(Problem(clip_id, path, _summary(names), what))

    for i, path in enumerate(info['frame_paths']):
        check(path, f'frame {i + 1} of {total}')
    for i, path in enumerate(info['mask_paths']):
        if info['has_gt'][i]:
            check(path, f'mask of frame {i + 1}')
    for source in info['audio']:
        check(source['path'], 'audio file')
    if info['log_mel_path'] is not None:
        check(info['log_mel_path'], 'log-mel file')
    if not info['audio'] and info['log_mel_path'] is None:
        problems.append(Problem(clip_id, info['frame_paths'][0], 'neither a wav nor a log-mel file', 'one of them'))
    if frames_own_folder:
        folder, name = os.path.split(info['frame_paths'][0])
        suffix = Path(name).suffix
        names = _list_folder(folder, folders)
        frames = [] if isinstance(names, str) else [n for n in names if n.endswith(suffix) and n[0] != '.']  # macOS: ._0.jpg
        if len(frames) > total:
            problems.append(Problem(clip_id, folder, f'{len(frames)} {suffix} files', f'{total} frames'))
    return problems


def _list_folder(folder: str, folders: dict) -> frozenset[str] | str:
    """The names in a folder, or what is wrong with it."""
    if folder not in folders:
        try:
            with os.scandir(folder) as entries:
                folders[folder] = frozenset(entry.name for entry in entries)
        except PermissionError as error:
            folders[folder] = f'a folder that cannot be listed ({error.strerror})'
        except OSError:  # no such folder, or no name that a folder can have
            folders[folder] = 'no such folder'
    return folders[folder]


def _summary(names: frozenset[str]) -> str:
    if not names:
        return 'an empty folder'
    shown = ', '.join(sorted(names)[:5]) + (', ...' if len(names) > 5 else '')
    return f'no such file among the {len(names)} of its folder ({shown})'
