"""Which classes clips name, and other clips that share none of them: every clip can get a sound that nothing in its view makes."""
from collections.abc import Sequence

import numpy as np

from mmicf.utils.json_file import read_json_object


def class_names(info: dict) -> set[str]:
    """The object classes in view of a clip: those of :func:`set_categories`, or what its ``category`` names; maybe none.

    S4's categories are one class each ("male_speech").
    """
    if 'in_view' in info:
        return set(info['in_view'])
    if info.get('subset') == 's4':
        return {info['category']}
    return set((info['category'] or '').split('_')) - {'', 'background', 'off-the-screen'}


def set_categories(clips: Sequence[dict], path: str) -> None:
    """Write the class names of a json file into the clips' ``in_view``, ``category`` (the same, joined) and ``sounds``.

    The file holds ``{clip_id: [names]}``, or ``{clip_id: {"in_view": [names], "sounds": [names]}}`` where silent objects are known.

    Raises:
        FileNotFoundError, ValueError: no such file, another content, or a clip that it does not name.
    """
    named = read_json_object(path, expected='json of clip_id to class names')
    for clip in clips:
        if clip['clip_id'] not in named:
            raise ValueError(f'{path}: found no entry for clip {clip["clip_id"]}, expected one for each')
        entry = named[clip['clip_id']]
        in_view, sounds = (entry.get('in_view'), entry.get('sounds')) if isinstance(entry, dict) else (entry, entry)
        for names in (in_view, sounds):
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError(f'{path}: found {entry!r} for clip {clip["clip_id"]}, expected class names in a list, or '
                                 'in the lists "in_view" and "sounds" of an object')
        in_view, sounds = ([name.replace('_', '-') for name in names] for names in (in_view, sounds))  # '_' joins classes
        clip['in_view'], clip['category'], clip['sounds'] = in_view, '_'.join(in_view), sounds


def other_clip(results: dict) -> dict:
    """Another clip's data info; drawn again, up to 20 times, while it shares a class name with the clip."""
    for _ in range(20):
        donor = results['get_donor'](results['rng'])
        if not class_names(donor) & class_names(results):
            break
    return donor


def move_offscreen_sounds(clips: Sequence[dict], seed: int) -> None:
    """Give each clip the sound of another one with as many frames, none of whose sounding classes is in its view.

    A sound may go to several clips: a permutation that keeps all classes apart need not exist.

    Raises:
        ValueError: no clip names a class, or no sound is left for one.
    """
    rng = np.random.default_rng(seed)
    in_view = [class_names(clip) for clip in clips]
    heard = [set(clip['sounds']) if 'sounds' in clip else names for clip, names in zip(clips, in_view, strict=True)]
    if not any(in_view):
        raise ValueError(f'offscreen_audio: none of {len(clips)} clips names a class; give categories, a json file of clip_id to '
                         'class names')
    sounds = [(clip['audio'], clip['log_mel_path']) for clip in clips]
    for i, clip in enumerate(clips):
        others = [j for j, other in enumerate(clips)
                  if other['num_frames'] == clip['num_frames'] and heard[j] and not in_view[i] & heard[j]]
        if not others:
            raise ValueError(f'offscreen_audio: every sound of {clip["num_frames"]} frames has a class that {clip["clip_id"]} '
                             f'shows ({", ".join(sorted(in_view[i]))})')
        clip['audio'], clip['log_mel_path'] = sounds[int(rng.choice(others))]
