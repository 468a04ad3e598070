"""Every fault of a dataset on disk: what is missing, and what is there but cannot be used."""
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmicf.utils.audio_file import AudioFileError, read_audio
from mmicf.utils.log_mel import SAMPLE_RATE, samples_needed

from .base import BaseAVDataset
from .clip_files import Problem, find_problems
from .transforms.loading_audio import read_log_mel
from .transforms.loading_frames import LoadMasks, read_rgb


def listed_clips(dataset: BaseAVDataset) -> tuple[list[dict], list[Problem]]:
    """Data infos of a split, read from its csv, and what is wrong with the csv. A csv that cannot be used gives no clips."""
    try:
        clips = dataset.load_data_list()
    except (ValueError, FileNotFoundError, OSError) as error:
        # The splits share a csv, which most faults make useless to all of them: in the same words, for one line in the end.
        return [], [Problem('-', str(dataset.ann_file), f'{error}', 'a readable table (its clips are not checked)')]
    twice = [name for name, count in Counter(clip['clip_id'] for clip in clips).items() if count > 1]
    return clips, [Problem(name, str(dataset.ann_file), f'several rows in split {dataset.split}', 'one') for name in twice]


def missing_files(clips: Sequence[dict], frames_own_folder: bool) -> list[Problem]:
    """Files and folders that are not there, and surplus frames, by directory listings alone.

    Args:
        clips: data infos; ``other_labels`` of a clip are data infos that differ in the masks alone.
        frames_own_folder: as the dataset class says.
    """
    others = [other for clip in clips for other in clip.get('other_labels', ())]
    return list(dict.fromkeys(find_problems([*clips, *others], frames_own_folder)))


def unlisted_folders(clips: Sequence[dict], frames_own_folder: bool) -> list[Problem]:
    """Folders beside those of the clips that no row of the csv names.

    Args:
        clips: of all splits; a folder of another split is no stranger.
        frames_own_folder: as the dataset class says; without folders per clip there are no strangers.
    """
    if not frames_own_folder:
        return []
    # The clip's folder is the frames' folder, or its parent where that is named alike for all clips (AVSS: {uid}/frames).
    folders = {Path(clip['frame_paths'][0]).parent for clip in clips}
    if len({folder.name for folder in folders}) == 1 and len(folders) > 1:
        folders = {folder.parent for folder in folders}
    out = []
    for parent in sorted({folder.parent for folder in folders}):
        known = {folder.name for folder in folders if folder.parent == parent}
        try:
            entries = sorted(os.scandir(parent), key=lambda e: e.name)
        except PermissionError as error:
            out.append(Problem('-', str(parent), f'a folder that cannot be listed ({error.strerror})', 'a folder of clips'))
        except OSError:  # that it is missing, its clips say
            continue
        else:
            out += [Problem(entry.name, entry.path, 'a folder that no row of the csv names', 'none')
                    for entry in entries if entry.is_dir() and entry.name not in known]
    return out


def unusable_files(clip: dict) -> list[Problem]:
    """What is wrong inside of the files of a clip that are there: pictures, masks (also those of ``other_labels``), sound."""
    return [*_picture_problems(clip), *_sound_problems(clip)]


def _picture_problems(clip: dict) -> list[Problem]:
    out, shape = [], None
    for i, path in enumerate(clip['frame_paths']):
        size = None
        if os.path.isfile(path):
            try:
                size = read_rgb(path).shape[:2]
            except ValueError as error:
                out.append(_problem(clip, path, error, f'frame {i + 1}'))
        if size is not None:
            shape = shape or size
            if size != shape:
                out.append(Problem(clip['clip_id'], path, f'{size[0]}x{size[1]}', f'{shape[0]}x{shape[1]} like the first frame'))
        for labels in (clip, *clip.get('other_labels', ())):
            mask = labels['mask_paths'][i]
            if labels['has_gt'][i] and shape is not None and os.path.isfile(mask):
                try:
                    LoadMasks.load(mask, {**labels, 'ori_shape': shape})
                except ValueError as error:
                    out.append(_problem(clip, mask, error, f'mask of frame {i + 1}'))
    return out


def _sound_problems(clip: dict) -> list[Problem]:
    out = []
    needed = samples_needed(max(1, clip['num_frames'] - 1)) / SAMPLE_RATE  # LogMel repairs one missing example
    for source in clip['audio']:
        path = source['path']
        if not os.path.isfile(path):
            continue
        try:
            waveform, rate = read_audio(path)
        except (AudioFileError, ImportError, OSError) as error:
            out.append(_problem(clip, path, error, 'sound'))
            continue
        if waveform.shape[1] / rate < needed:
            out.append(Problem(clip['clip_id'], path, f'{waveform.shape[1] / rate:.2f} s of sound', f'at least {needed:.2f} s'))
        elif len(waveform) > 2:
            out.append(Problem(clip['clip_id'], path, f'{len(waveform)} channels', '1 or 2'))
        elif not np.any(waveform):
            out.append(Problem(clip['clip_id'], path, 'silence', 'sound'))
    path = clip['log_mel_path']
    if path is not None and os.path.isfile(path):
        try:
            examples = len(read_log_mel(path))
            if examples < clip['num_frames'] - 1:
                out.append(Problem(clip['clip_id'], path, f'{examples} examples', f'{clip["num_frames"]}'))
        except (ValueError, OSError) as error:
            out.append(_problem(clip, path, error, 'log-mel examples'))
    return out


def _problem(clip: dict, path: str, error: Exception, expected: str) -> Problem:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)  # the path has a column of its own
    text = text.removeprefix(f'{path}: ').split('; expected')[0]
    found, _, wanted = text.partition(', expected ')
    return Problem(clip['clip_id'], path, found.removeprefix('found '), wanted or expected)
