"""Sounds that nothing in view makes."""
import json

import pytest

from mmicf.datasets.offscreen import move_offscreen_sounds, set_categories


def clips(*names, frames=5):
    return [dict(clip_id=f'c{i}', num_frames=frames, category=name, audio=[dict(path=f'{i}.wav', position=None)], log_mel_path=None)
            for i, name in enumerate(names)]


def sources(made):
    return [int(clip['audio'][0]['path'].split('.')[0]) for clip in made]


def test_no_sound_is_of_a_class_in_view_and_the_seed_decides():
    names = ['dog', 'cat', 'dog_car', 'bus', 'car', 'dog', 'background']
    first, again, other = clips(*names), clips(*names), clips(*names)
    for made, seed in ((first, 1), (again, 1), (other, 2)):
        move_offscreen_sounds(made, seed)
        for i, source in enumerate(sources(made)):
            assert not set(names[i].split('_')) & set(names[source].split('_')) and names[source] != 'background'
    assert sources(first) == sources(again) != sources(other)


def test_silent_objects_in_view_count(tmp_path):
    path = tmp_path / 'categories.json'
    entries = {'c0': dict(in_view=['dog', 'cat'], sounds=['dog']), 'c1': dict(in_view=['cat'], sounds=['cat']), 'c2': ['car']}
    path.write_text(json.dumps(entries))
    for seed in range(20):
        made = clips(None, None, None)
        set_categories(made, str(path))
        move_offscreen_sounds(made, seed)
        assert sources(made)[0] == 2 and sources(made)[1] in (0, 2)  # c0 shows a silent cat: only the car is out of its view
    with pytest.raises(ValueError, match='no entry for clip c3'):
        set_categories(clips(None, None, None, None), str(path))
    with pytest.raises(FileNotFoundError, match='nowhere'):
        set_categories(made, str(tmp_path / 'nowhere.json'))


def test_an_s4_category_is_one_class():
    made = clips('playing_piano', 'playing_violin')
    for clip in made:
        clip['subset'] = 's4'
    move_offscreen_sounds(made, 0)
    assert sources(made) == [1, 0]


def test_named_objects_of_s4_clips_are_classes_of_their_own(tmp_path):
    path = tmp_path / 'categories.json'
    path.write_text(json.dumps({'c0': dict(in_view=['dog', 'cat'], sounds=['dog']), 'c1': ['cat'], 'c2': ['car']}))
    for seed in range(20):
        made = clips('dog', 'cat', 'car')
        for clip in made:
            clip['subset'] = 's4'
        set_categories(made, str(path))
        move_offscreen_sounds(made, seed)
        assert sources(made)[0] == 2


def test_impossible_draws():
    with pytest.raises(ValueError, match='none of 2 clips names a class'):
        move_offscreen_sounds(clips(None, None), 0)
    with pytest.raises(ValueError, match=r'a class that c0\b.*dog'):
        move_offscreen_sounds(clips('dog', 'dog'), 0)
    with pytest.raises(ValueError, match='5 frames'):
        move_offscreen_sounds([*clips('dog'), *clips('cat', frames=10)], 0)
